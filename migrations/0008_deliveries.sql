-- What Git hosts told by webhook, refused or not. No payload and no secret is kept: a digest of the payload tells repetitions.
create table delivery (
  id          bigint generated always as identity primary key,
  team        text not null references team (name),
  at          timestamptz not null default now(),
  -- github | gitlab | gitea | forgejo | bitbucket; '' when nothing told.
  provider    text not null,
  event       text not null default '',
  -- The host's own id of the delivery; null when there was none.
  delivery_id text,
  digest      text,
  -- The ref that moved, of several the first.
  ref         text,
  outcome     text not null check (outcome in ('polled', 'ignored', 'duplicate', 'refused')),
  status      integer not null,
  reason      text not null default ''
);
create index delivery_team on delivery (team, id desc);
create index delivery_at on delivery (at);
create index delivery_refused on delivery (team, id desc) where outcome = 'refused';
-- A delivery counts once, whichever replica takes it; one that was refused may be sent again.
create unique index delivery_once on delivery (team, provider, delivery_id) where outcome in ('polled', 'ignored');
create unique index delivery_payload_once on delivery (team, provider, digest) where outcome in ('polled', 'ignored');

-- Which refs of which repositories matter, as the last reading says: a push to any other is no reason to look.
alter table team add column watched jsonb not null default '[]';
