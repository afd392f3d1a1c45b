-- Finding what is old enough to be forgotten, without looking at what is not.

-- False once the steps of an attempt were forgotten (retention.events); the attempt itself is kept longer.
alter table attempt add column events_kept boolean not null default true;
create index attempt_events_kept on attempt (finished_at) where state = 'done' and events_kept;
create index attempt_finished on attempt (finished_at) where state = 'done';
create index attempt_plan on attempt (team, plan_hash);
create index plan_created on plan (created_at);
create index enrolment_expiry on enrolment (expires_at);
create index certificate_expiry on certificate (expires_at);
