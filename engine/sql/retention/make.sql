-- Makes a partition of the history, or those of a month.
SELECT CASE $1 WHEN 'make_day' THEN engine.make_day($2) WHEN 'make_month' THEN engine.make_month($2) END::text AS done
