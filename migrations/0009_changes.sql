-- Says on the channel tagboat_changes which rows a page or a program may want to look at again. A payload is a hint that names rows,
-- {team, kind, name, id}; the tables hold the facts. As triggers, so that whoever writes is heard.

create function tell_change(team text, kind text, name text, id bigint default null) returns void language sql as $$
  select pg_notify('tagboat_changes', json_build_object('team', team, 'kind', kind, 'name', name, 'id', id)::text)
  where octet_length(coalesce(name, '')) < 2000
$$;

create function tell_deployment() returns trigger language plpgsql as $$
begin
  perform tell_change(new.team, 'deployment', new.name);
  return null;
end $$;
create trigger tell_deployment_made after insert on deployment for each row execute function tell_deployment();
create trigger tell_deployment_changed after update on deployment for each row when (old.* is distinct from new.*) execute function tell_deployment();

-- Of records, targets and observations people see their deployment.
create function tell_deployment_of() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform tell_change(old.team, 'deployment', old.deployment);
  else
    perform tell_change(new.team, 'deployment', new.deployment);
  end if;
  return null;
end $$;
create trigger tell_record_changed after update on record for each row
  when ((old.status, old.reason, old.deployment) is distinct from (new.status, new.reason, new.deployment)) execute function tell_deployment_of();
create trigger tell_target_gone after delete on target for each row execute function tell_deployment_of();
create trigger tell_observed_made after insert or delete on observed for each row execute function tell_deployment_of();
create trigger tell_observed_changed after update on observed for each row
  when ((old.health, old.health_reason, old.containers, old.drift) is distinct from (new.health, new.health_reason, new.containers, new.drift)) execute function tell_deployment_of();

create function tell_attempt() returns trigger language plpgsql as $$
begin
  perform tell_change(new.team, 'attempt', new.deployment, new.id);
  return null;
end $$;
create trigger tell_attempt_made after insert on attempt for each row execute function tell_attempt();
create trigger tell_attempt_changed after update on attempt for each row
  when ((old.state, old.cancel_reason) is distinct from (new.state, new.cancel_reason)) execute function tell_attempt();

create function tell_attempt_event() returns trigger language plpgsql as $$
begin
  perform tell_change(a.team, 'attempt', a.deployment, a.id) from attempt a where a.id = new.attempt_id;
  return null;
end $$;
create trigger tell_attempt_event after insert on attempt_event for each row execute function tell_attempt_event();

create function tell_node() returns trigger language plpgsql as $$
begin
  perform tell_change(new.team, 'node', new.name);
  return null;
end $$;
create trigger tell_node_made after insert on node for each row execute function tell_node();
-- A heartbeat alone is no news.
create trigger tell_node_changed after update on node for each row
  when ((old.declared, old.simulated, old.agent_version, old.engine_version, old.enrolled_at, old.revoked_at, old.connected_by)
    is distinct from (new.declared, new.simulated, new.agent_version, new.engine_version, new.enrolled_at, new.revoked_at, new.connected_by)) execute function tell_node();

create function tell_version() returns trigger language plpgsql as $$
begin
  perform tell_change(new.team, 'product', new.product);
  return null;
end $$;
create trigger tell_version_made after insert on version for each row execute function tell_version();
create trigger tell_version_changed after update on version for each row when (old.* is distinct from new.*) execute function tell_version();

create function tell_poll() returns trigger language plpgsql as $$
begin
  perform tell_change(new.name, 'poll', null);
  return null;
end $$;
create trigger tell_poll after update on team for each row when (old.* is distinct from new.*) execute function tell_poll();
