-- The policy of a team's commits (requireSignedCommits, requireKnownAuthors).
-- Whom the next head is judged by: switches, addresses and public keys of the Team manifest at commit_id. Null while none could be read.
alter table team add column trust jsonb;
-- The head that was refused, so that the audit log has it once; null while the head is accepted.
alter table team add column refused_commit text;
