-- Seconds to wait after this attempt if nothing else is specified: 2^attempt with a tenth of
-- jitter, at most an hour.
--
-- The default policy of pools is the same. This one is for attempts whose pool is gone.
create or replace function backoff(p_attempt integer) returns double precision
language sql volatile
as $$ select least(3600, power(2, least(p_attempt, 12)) * (0.9 + 0.2 * random())) $$;
