-- Drops a partition of the history, or those of a month; refuses what is still to be kept.
SELECT CASE $1 WHEN 'drop_day' THEN engine.drop_day($2) WHEN 'drop_month' THEN engine.drop_month($2) END::text AS done
