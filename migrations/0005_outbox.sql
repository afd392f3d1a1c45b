-- What is to be told to Git hosts about reviews: one row for each thing that is kept up to date there. A row is written with the
-- review that it tells of, in one transaction, so that nothing is lost; it remembers what was said, so that nothing is said twice.
create table outbox (
  team         text not null references team (name),
  ref          text not null,
  kind         text not null check (kind in ('status', 'comment')),
  payload      jsonb not null,
  content_hash text not null,
  state        text not null default 'waiting' check (state in ('waiting', 'sent', 'failed')),
  tries        integer not null default 0,
  not_before   timestamptz not null default now(),
  -- A call was begun and its end is not noted: it may have been heard.
  calling      boolean not null default false,
  -- The comment that it was told in.
  remote_id    text,
  last_error   text,
  created_at   timestamptz not null default now(),
  sent_at      timestamptz,
  primary key (team, ref, kind)
);
create index outbox_waiting on outbox (team, not_before) where state = 'waiting';
