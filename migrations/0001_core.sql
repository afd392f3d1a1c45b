-- The controller's memory: what Git said, what was deployed, what the agents saw.
-- One writer per fact (STYLE): desired columns come from the poll loop, observed ones from agents, statuses from the
-- deploy loop. Rules R8, R10-R18 and R22 are enforced here and not only in code, so that no race can break them.

create table team (
  name          text primary key,
  repository    text not null,
  branch        text not null,
  directory     text not null default '',
  -- The commit and refs that were planned last; null before the first good poll.
  commit_id     text,
  refs_digest   text,
  polled_at     timestamptz,
  synced_at     timestamptz,
  poll_failures integer not null default 0,
  problems      jsonb not null default '[]',
  members       jsonb not null default '[]'
);

create table node (
  team           text not null references team (name),
  name           text not null,
  type           text not null check (type in ('docker', 'kubernetes')),
  labels         jsonb not null default '{}',
  -- False once its manifest is gone; the row stays for history.
  declared       boolean not null default true,
  simulated      boolean not null default false,
  agent_version  text,
  engine_version text,
  enrolled_at    timestamptz,
  revoked_at     timestamptz,
  connected_by   text,
  connected_at   timestamptz,
  last_seen_at   timestamptz,
  primary key (team, name)
);

create table enrolment (
  id         bigint generated always as identity primary key,
  team       text not null references team (name),
  node       text not null,
  token_hash text not null unique,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at    timestamptz
);

create table certificate (
  serial      text primary key,
  team        text not null,
  node        text not null,
  fingerprint text not null,
  issued_at   timestamptz not null default now(),
  expires_at  timestamptz not null,
  revoked_at  timestamptz
);
create index certificate_node on certificate (team, node);

-- The certificate authority, encrypted with a key that is not in the database (R27).
create table authority (
  singleton boolean primary key default true check (singleton),
  sealed    bytea not null,
  created_at timestamptz not null default now()
);

create table product (
  team        text not null references team (name),
  name        text not null,
  type        text not null check (type in ('simple', 'complex')),
  description text not null default '',
  declared    boolean not null default true,
  primary key (team, name)
);

create table version (
  id             bigint generated always as identity primary key,
  team           text not null,
  product        text not null,
  name           text not null,
  kind           text not null check (kind in ('rolling', 'incremental')),
  -- refs/heads/… or refs/tags/…
  ref            text not null,
  commit_id      text not null,
  tag_object     text,
  parent_id      bigint references version (id),
  tagger         text,
  tag_message    text,
  -- R8: set once, by the first success; never changed and never cleared.
  frozen         jsonb,
  frozen_at      timestamptz,
  -- R9: the ref is gone; what was deployed stays.
  ref_gone       boolean not null default false,
  created_at     timestamptz not null default now(),
  unique (team, product, kind, name),
  foreign key (team, product) references product (team, name),
  check ((frozen is null) = (frozen_at is null)),
  check (kind = 'incremental' or frozen is null)
);
create index version_parent on version (parent_id);

create function version_stays_frozen() returns trigger language plpgsql as $$
begin
  if old.frozen is not null and (
    new.frozen is distinct from old.frozen or new.frozen_at is distinct from old.frozen_at
    or new.commit_id is distinct from old.commit_id or new.tag_object is distinct from old.tag_object
    or new.name is distinct from old.name or new.kind is distinct from old.kind
  ) then
    raise exception 'version % of % is frozen (R8)', old.name, old.product using errcode = 'TB008';
  end if;
  return new;
end $$;
create trigger version_stays_frozen before update on version for each row execute function version_stays_frozen();

-- A Deployment manifest and how the record stands to it (R25). `node` and `prefix` are null while the manifest is broken.
create table deployment (
  team         text not null references team (name),
  name         text not null,
  product      text,
  version      text,
  version_kind text,
  node         text,
  prefix       text,
  commit_id    text,
  declared     boolean not null default true,
  protected    boolean not null default false,
  remove_volumes boolean not null default false,
  sync         text not null default 'out-of-sync' check (sync in ('synced', 'out-of-sync', 'blocked')),
  sync_reason  text not null default '',
  updated_at   timestamptz not null default now(),
  primary key (team, name)
);

-- One row per status and per allowed move: the table of controller/model/status.ts, compared by a test.
create table status_transition (
  from_status text not null,
  to_status   text not null,
  primary key (from_status, to_status)
);
insert into status_transition (from_status, to_status) values
  ('preparing', 'in-progress'),
  ('preparing', 'failed'),
  ('preparing', 'obsolete'),
  ('preparing', 'downgraded'),
  ('in-progress', 'successful'),
  ('in-progress', 'failed'),
  ('successful', 'preparing'),
  ('successful', 'obsolete'),
  ('successful', 'downgraded'),
  ('failed', 'preparing'),
  ('failed', 'obsolete'),
  ('failed', 'downgraded'),
  ('obsolete', 'preparing'),
  ('obsolete', 'downgraded'),
  ('downgraded', 'preparing');

-- A deployment record: a version on a target with its own overrides (SPEC §1, R11-R18).
create table record (
  id             bigint generated always as identity primary key,
  team           text not null,
  deployment     text not null,
  product        text not null,
  version_id     bigint not null references version (id),
  version        text not null,
  version_kind   text not null check (version_kind in ('rolling', 'incremental')),
  node           text not null,
  prefix         text not null,
  status         text not null default 'preparing'
                 check (status in ('preparing', 'in-progress', 'successful', 'failed', 'obsolete', 'downgraded')),
  -- What a withdrawn plan falls back to: the frozen status this record had before it was prepared again.
  resting_status text check (resting_status in ('obsolete', 'downgraded')),
  reason         text not null default '',
  commit_id      text not null,
  actor          text not null,
  -- The content of the last attempt …
  spec           jsonb not null,
  spec_hash      text not null,
  overrides_hash text not null,
  -- The version's own part of that content with the commit it was read at: what a success freezes (R8).
  version_content jsonb not null,
  -- … and of the last success, with the digests that ran; null before it.
  good_spec      jsonb,
  good_spec_hash text,
  -- Tries of one content (R23); `attempt_key` says of which.
  attempt_key    text not null,
  failures       integer not null default 0,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  started_at     timestamptz,
  finished_at    timestamptz,
  foreign key (team, node) references node (team, name),
  foreign key (team, deployment) references deployment (team, name) on update cascade
);
create unique index record_rolling on record (version_id, node, prefix) where version_kind = 'rolling'; -- R12
create unique index record_preparing on record (version_id, node, prefix) where version_kind = 'incremental' and status = 'preparing'; -- R13
create unique index record_in_progress on record (team, node, prefix) where status = 'in-progress';
create unique index record_successful on record (team, node, prefix) where status = 'successful'; -- R16
create index record_target on record (team, node, prefix, id);
create index record_deployment on record (team, deployment, id);

create function record_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    if old.status = 'in-progress' then
      raise exception 'record % is in progress and cannot be deleted (R14)', old.id using errcode = 'TB014';
    end if;
    return old;
  end if;
  if tg_op = 'INSERT' then
    if new.status <> 'preparing' then
      raise exception 'a record begins as preparing, not % (R11)', new.status using errcode = 'TB011';
    end if;
    return new;
  end if;
  if new.status <> old.status then
    if not exists (select 1 from status_transition t where t.from_status = old.status and t.to_status = new.status) then
      raise exception 'record %: % cannot become % (R11)', old.id, old.status, new.status using errcode = 'TB011';
    end if;
    if old.status = 'successful' and new.status = 'preparing' and old.version_kind = 'incremental' then
      raise exception 'record %: a successful incremental deployment is not mutable (R15)', old.id using errcode = 'TB015';
    end if;
    if old.status = 'preparing' and new.status in ('obsolete', 'downgraded') and old.resting_status is distinct from new.status then
      raise exception 'record %: it was not % before it was prepared (R11)', old.id, new.status using errcode = 'TB011';
    end if;
  end if;
  -- R15: what may change, by the status it has. A frozen record that is prepared again keeps its own content.
  if (new.spec_hash <> old.spec_hash or new.overrides_hash <> old.overrides_hash or new.spec <> old.spec) and not (
    old.status in ('preparing', 'failed') and old.resting_status is null
    or old.status = 'failed'
    or old.version_kind = 'rolling' and old.status <> 'in-progress'
  ) then
    raise exception 'record %: the content of a % deployment cannot change (R15)', old.id, old.status using errcode = 'TB015';
  end if;
  if new.version_id <> old.version_id or new.node <> old.node or new.prefix <> old.prefix or new.team <> old.team then
    raise exception 'record %: its identity cannot change', old.id using errcode = 'TB011';
  end if;
  return new;
end $$;
create trigger record_guard before insert or update or delete on record for each row execute function record_guard();

-- A target and its one owner (R10); what is live there is known here even when its manifest is broken or gone.
create table target (
  team            text not null,
  node            text not null,
  prefix          text not null,
  deployment      text not null,
  -- The record whose content serves now; null when nothing does.
  live_record_id  bigint references record (id) on delete set null,
  -- The record that was tried last.
  record_id       bigint references record (id) on delete set null,
  heals           integer not null default 0,
  heal_window_at  timestamptz,
  primary key (team, node, prefix),
  foreign key (team, node) references node (team, name),
  foreign key (team, deployment) references deployment (team, name) on update cascade
);
create index target_deployment on target (team, deployment);

create table attempt (
  id             bigint generated always as identity primary key,
  team           text not null,
  deployment     text not null,
  node           text not null,
  prefix         text not null,
  record_id      bigint references record (id) on delete cascade,
  kind           text not null check (kind in ('deploy', 'remove', 'heal')),
  state          text not null default 'queued' check (state in ('queued', 'running', 'done')),
  spec           jsonb,
  spec_hash      text not null default '',
  remove_volumes boolean not null default false,
  commit_id      text not null,
  plan_hash      text not null,
  actor          text not null,
  -- What the plan said that it would do, for the pages.
  action         jsonb not null,
  not_before     timestamptz not null default now(),
  timeout_ms     integer not null,
  created_at     timestamptz not null default now(),
  -- R22: set when it starts; whoever sees it pass ends the attempt.
  deadline       timestamptz,
  fencing_token  bigint,
  started_at     timestamptz,
  finished_at    timestamptz,
  cancel_reason  text,
  outcome        text check (outcome in ('succeeded', 'failed', 'cancelled', 'superseded', 'lost')),
  code           text,
  reason         text,
  restored       boolean,
  digests        jsonb not null default '[]',
  evidence       jsonb not null default '[]',
  check ((state = 'done') = (outcome is not null)),
  check ((state = 'running') <= (deadline is not null and fencing_token is not null))
);
create unique index attempt_open on attempt (team, node, prefix) where state <> 'done';
create index attempt_queue on attempt (team, node, not_before) where state = 'queued';
create index attempt_running on attempt (deadline) where state = 'running';
create index attempt_target on attempt (team, node, prefix, id);
create index attempt_record on attempt (record_id, id);
create index attempt_deployment on attempt (team, deployment, id);

create table attempt_event (
  attempt_id bigint not null references attempt (id) on delete cascade,
  sequence   integer not null,
  at         timestamptz not null,
  step       text not null,
  text       text not null,
  primary key (attempt_id, sequence)
);

-- What an agent last said of a target.
create table observed (
  team          text not null,
  node          text not null,
  prefix        text not null,
  deployment    text not null,
  health        text not null check (health in ('healthy', 'progressing', 'degraded', 'missing', 'unknown')),
  health_reason text not null default '',
  containers    jsonb not null default '[]',
  drift         jsonb not null default '[]',
  -- The success that the agent compared with; 0 when it remembers none. What it saw of an older one is no drift.
  attempt_id    bigint not null default 0,
  observed_at   timestamptz not null default now(),
  primary key (team, node, prefix),
  foreign key (team, node) references node (team, name)
);

-- The plans that were carried out, by hash, so that a review can be compared with what ran.
create table plan (
  team       text not null references team (name),
  hash       text not null,
  commit_id  text not null,
  plan       jsonb not null,
  created_at timestamptz not null default now(),
  primary key (team, hash, commit_id)
);
