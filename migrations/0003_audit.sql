-- R26: append-only audit rows, chained by hash, one dense chain a team ('' is the controller itself).
-- The head makes appends queue up (its row lock), and shows when the newest rows were cut off.
create table audit_head (
  team text primary key,
  id bigint not null check (id >= 0),
  hash text not null
);

create table audit_row (
  team text not null references audit_head (team),
  id bigint not null check (id > 0),
  at timestamptz not null,
  actor text not null,
  action text not null,
  object text not null,
  commit_id text,
  result text not null,
  detail jsonb not null default '{}',
  previous_hash text not null,
  hash text not null,
  primary key (team, id)
);

create function audit_refuse() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append-only: % on % is refused', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end;
$$;

create trigger audit_row_append_only before update or delete on audit_row for each row execute function audit_refuse();
create trigger audit_row_no_truncate before truncate on audit_row for each statement execute function audit_refuse();
create trigger audit_head_stays before delete on audit_head for each row execute function audit_refuse();
create trigger audit_head_no_truncate before truncate on audit_head for each statement execute function audit_refuse();

create function audit_head_forward() returns trigger language plpgsql as $$
begin
  if new.team is distinct from old.team
    or not (new.id = old.id + 1 or (new.id = old.id and new.hash = old.hash)) then
    raise exception 'the head of the audit log only moves forward' using errcode = 'insufficient_privilege';
  end if;
  return new;
end;
$$;

create trigger audit_head_forward before update on audit_head for each row execute function audit_head_forward();
