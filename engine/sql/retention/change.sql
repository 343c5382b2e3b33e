-- Makes or drops a partition of the history, or those of a month; refuses to drop what is still to be kept.
SELECT CASE $1 WHEN 'make_day' THEN engine.make_day($2) WHEN 'make_month' THEN engine.make_month($2)
               WHEN 'drop_day' THEN engine.drop_day($2) WHEN 'drop_month' THEN engine.drop_month($2) END::text AS done
