-- Until the end of this transaction no lock is waited for any longer: whoever comes behind a change of a table waits as long as it does.
SELECT set_config('lock_timeout', $1, true)
