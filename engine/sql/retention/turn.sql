-- A new day: what ends from now on goes later. Only to partitions that are there.
UPDATE engine.retention SET goes = engine.goes_on(keep)
WHERE goes <> engine.goes_on(keep) AND to_regclass(to_char(engine.goes_on(keep), '"engine.history_"YYYY_MM_DD')) IS NOT NULL
