-- What is remembered of requests to merge beside their reviews: hosts keep the refs of requests that were closed, and only what
-- happened around a ref tells that its request is over.
create table request (
  team       text not null references team (name),
  -- As in review: `pull/17`, `merge-requests/17`
  ref        text not null,
  -- As the last listing had it; '' while only a webhook told of it.
  head       text not null,
  -- When that head came, where somebody watched; null: it was there at the first look.
  since      timestamptz,
  -- The one branch of this repository whose tip that head was.
  branch     text,
  -- Since when the branch is elsewhere and the request has not followed.
  strayed_at timestamptz,
  -- What the host said last by webhook, of which head, and when.
  told       text check (told in ('open', 'closed', 'merged')),
  told_head  text,
  told_at    timestamptz,
  primary key (team, ref),
  check ((told is null) = (told_at is null))
);

-- Whether the requests of a team were looked at before: what is there at the first look is of unknown age.
alter table team add column requests_watched boolean not null default false;
