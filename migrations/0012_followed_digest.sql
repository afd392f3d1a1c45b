-- What a node found behind the tags that its deployments follow (`follow: digest`); of the last look only. It goes with its
-- target: one that comes back later begins with what its tags mean then.
create table followed_digest (
  team    text not null,
  node    text not null,
  prefix  text not null,
  -- The image's name in the version, and the reference that was asked for.
  name    text not null,
  image   text not null,
  digest  text not null check (digest ~ '^sha256:[0-9a-f]{64}$'),
  seen_at timestamptz not null default now(),
  primary key (team, node, prefix, name),
  foreign key (team, node) references node (team, name),
  foreign key (team, node, prefix) references target (team, node, prefix) on delete cascade
);
