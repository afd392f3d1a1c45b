-- What was found for a target goes with it: one that comes back later begins with what its tags mean then.
delete from followed_digest f where not exists (select 1 from target t where t.team = f.team and t.node = f.node and t.prefix = f.prefix);
alter table followed_digest add foreign key (team, node, prefix) references target (team, node, prefix) on delete cascade;
