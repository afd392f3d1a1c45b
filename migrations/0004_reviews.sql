-- What open requests to merge would do. Rows about reviews are all that a request can ever change.
create table review (
  team          text not null references team (name),
  -- `pull/17`, `merge-requests/17`, `heads/feature/x`
  ref           text not null,
  git_ref       text not null,
  number        bigint,
  -- A request that was closed without a merge has no row; one that was merged stays for a while, with its outcome.
  state         text not null default 'open' check (state in ('open', 'merged')),
  head          text not null,
  base          text not null,
  method        text not null,
  title         text not null default '',
  author        text not null default '',
  plan_hash     text not null,
  -- Bounded for showing; the hash is over all of it.
  plan          jsonb not null,
  -- Deployments that the change concerns, and the identity of each action, for the comparison at the merge.
  scope         jsonb not null default '[]',
  digests       jsonb not null default '{}',
  -- Of everything above: nothing changed ⇒ nothing written.
  content_hash  text not null,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  merged_at     timestamptz,
  merged_commit text,
  -- `reviewed`: what was carried out is what was reviewed. `replanned`: the world had moved; `difference` says how.
  outcome       text check (outcome in ('reviewed', 'replanned')),
  executed_hash text,
  difference    jsonb,
  primary key (team, ref),
  check ((state = 'merged') = (merged_at is not null and merged_commit is not null and outcome is not null and executed_hash is not null))
);
create index review_state on review (team, state, number desc);

-- How many requests were not looked at because there are too many.
alter table team add column reviews_cut integer not null default 0;

-- The review that an attempt was planned from: {ref, planHash, outcome}.
alter table attempt add column review jsonb;
