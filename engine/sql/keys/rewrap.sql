-- Moves a data key under the primary id, if it is still wrapped as it was read (compare-and-set).
UPDATE engine.data_key
SET kek = $3, wrapped = $4
WHERE workspace = $1
  AND id = $2
  AND wrapped = $5
