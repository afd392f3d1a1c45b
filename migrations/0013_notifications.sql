-- Notifications: who wants to hear of what (from Git), and an outbox that is filled by triggers in the very transaction that makes an
-- event true, so that no event is lost and none is told that did not happen. Delivery is the loop's (controller/notify).

create table notification (
  team        text not null references team (name),
  name        text not null,
  channel     text not null check (channel in ('webhook', 'slack', 'discord', 'teams', 'mattermost', 'rocket-chat')),
  -- The name of a URL in the controller's configuration of this team; the URL itself is a secret and never here (R27).
  url_from    text not null,
  events      text[] not null,
  -- Null: all.
  deployments text[],
  nodes       text[],
  primary key (team, name)
);

create table notification_outbox (
  id            bigint generated always as identity primary key,
  team          text not null references team (name),
  notification  text not null,
  event         text not null,
  deployment    text,
  node          text,
  -- What two tellings of one thing have in common; '' where each counts.
  content       text not null default '',
  detail        jsonb not null default '{}',
  created_at    timestamptz not null default now(),
  state         text not null default 'pending' check (state in ('pending', 'delivered', 'failed', 'dropped')),
  tries         integer not null default 0,
  next_at       timestamptz not null default now(),
  -- A replica that delivers it holds it so long; one that died lets go by that.
  claimed_until timestamptz,
  http_status   integer,
  error         text not null default '',
  finished_at   timestamptz,
  check ((state = 'pending') = (finished_at is null))
);
create index notification_outbox_pending on notification_outbox (team, notification, id) where state = 'pending';
create index notification_outbox_team on notification_outbox (team, notification, id desc);
create index notification_outbox_finished on notification_outbox (finished_at) where state <> 'pending';

-- Puts the event before everybody who wants it. `fallback`: what those hear who want that and not the event itself.
create function notify_event(p_team text, p_event text, p_deployment text, p_node text, p_content text, p_detail jsonb,
  p_fallback text default null, p_delay interval default '0', p_except text[] default '{}') returns void language plpgsql as $$
begin
  insert into notification_outbox (team, notification, event, deployment, node, content, detail, next_at)
  select n.team, n.name, case when p_event = any(n.events) then p_event else p_fallback end, p_deployment, p_node, p_content, p_detail, now() + p_delay
  from notification n
  where n.team = p_team and (p_event = any(n.events) or p_fallback = any(n.events)) and not n.name = any(p_except)
    and (n.deployments is null or p_deployment = any(n.deployments))
    and (n.nodes is null or p_node = any(n.nodes))
    -- A channel that nobody answers for must not fill the database.
    and (select count(*) from notification_outbox o where o.team = n.team and o.notification = n.name and o.state = 'pending') < 1000
    and (p_content = '' or not exists (
      select 1 from notification_outbox o
      where o.team = n.team and o.notification = n.name and o.event = p_event and o.content = p_content
        and o.deployment is not distinct from p_deployment and o.node is not distinct from p_node and o.created_at > now() - interval '1 hour'));
  if found then
    perform pg_notify('tagboat_notifications', p_team);
  end if;
end $$;

-- A deployment that fails again for the same content says it once: `failures` counts the tries of one content (R23).
create function notify_record() returns trigger language plpgsql as $$
declare
  detail jsonb := jsonb_build_object('product', new.product, 'version', new.version, 'prefix', new.prefix, 'commit', new.commit_id, 'actor', new.actor, 'reason', new.reason);
  kind text;
begin
  if new.status = 'in-progress' and new.failures = 0 then
    perform notify_event(new.team, 'deployment-started', new.deployment, new.node, '', detail);
  elsif new.status = 'failed' and old.status = 'in-progress' and old.failures = 0 and new.failures = 1 then
    perform notify_event(new.team, 'deployment-failed', new.deployment, new.node, '', detail);
  elsif new.status = 'successful' and old.status = 'in-progress' then
    select a.action ->> 'kind' into kind from attempt a where a.record_id = new.id order by a.id desc limit 1;
    if kind = 'rollback' then
      perform notify_event(new.team, 'rolled-back', new.deployment, new.node, '', detail, 'deployment-succeeded');
    else
      perform notify_event(new.team, 'deployment-succeeded', new.deployment, new.node, '', detail);
    end if;
  end if;
  return null;
end $$;
create trigger notify_record after update on record for each row when (old.status is distinct from new.status) execute function notify_record();

create function notify_attempt() returns trigger language plpgsql as $$
declare
  detail jsonb := jsonb_build_object('prefix', new.prefix, 'commit', new.commit_id, 'actor', new.actor, 'reason', coalesce(new.reason, ''));
begin
  if new.kind = 'remove' and new.outcome = 'succeeded' then
    perform notify_event(new.team, 'deployment-removed', new.deployment, new.node, '', detail);
  elsif new.kind = 'remove' and new.outcome in ('failed', 'lost') then
    perform notify_event(new.team, 'deployment-failed', new.deployment, new.node, 'remove ' || new.commit_id, detail);
  elsif new.kind = 'heal' and new.outcome = 'succeeded' then
    perform notify_event(new.team, 'healed', new.deployment, new.node, '', detail);
  end if;
  return null;
end $$;
create trigger notify_attempt after update on attempt for each row when (new.state = 'done' and old.state <> 'done') execute function notify_attempt();

-- What is seen while an attempt works on the target, or compared with an older success, is no drift.
create function notify_observed() returns trigger language plpgsql as $$
begin
  if exists (select 1 from attempt a where a.team = new.team and a.node = new.node and a.prefix = new.prefix and a.state = 'running') then
    return null;
  end if;
  if new.attempt_id is distinct from (
    select max(a.id) from attempt a where a.team = new.team and a.node = new.node and a.prefix = new.prefix and a.outcome = 'succeeded' and a.kind <> 'remove') then
    return null;
  end if;
  perform notify_event(new.team, 'drifted', new.deployment, new.node, '', jsonb_build_object('prefix', new.prefix, 'drift', (
    select jsonb_agg(jsonb_build_object('container', d ->> 'container', 'field', d ->> 'field')) from (select d from jsonb_array_elements(new.drift) d limit 5) first)));
  return null;
end $$;
create trigger notify_observed_made after insert on observed for each row when (new.drift <> '[]') execute function notify_observed();
create trigger notify_observed_changed after update on observed for each row when (old.drift = '[]' and new.drift <> '[]') execute function notify_observed();

-- A line that is cut for a moment (an update of the controller, say) is no news: the word waits, and goes if the node comes back.
create function notify_node() returns trigger language plpgsql as $$
declare
  quiet text[];
begin
  if new.connected_by is null then
    if new.revoked_at is null and new.declared then
      perform notify_event(new.team, 'node-unreachable', null, new.name, '', '{}', p_delay => interval '60 seconds');
    end if;
    return null;
  end if;
  with dropped as (
    update notification_outbox set state = 'dropped', error = 'the node came back', finished_at = now()
    where team = new.team and node = new.name and event = 'node-unreachable' and state = 'pending' and tries = 0 returning notification)
  select coalesce(array_agg(notification), '{}') into quiet from dropped;
  perform notify_event(new.team, 'node-connected', null, new.name, '', '{}', p_except => quiet);
  return null;
end $$;
create trigger notify_node after update on node for each row when ((old.connected_by is null) <> (new.connected_by is null)) execute function notify_node();

create function notify_problems() returns trigger language plpgsql as $$
declare
  fresh jsonb;
begin
  for fresh in
    select jsonb_agg(p) from jsonb_array_elements(new.problems) p
    where p ->> 'severity' = 'error' and not exists (
      select 1 from jsonb_array_elements(old.problems) o
      where o ->> 'code' = p ->> 'code' and o ->> 'file' = p ->> 'file' and o ->> 'message' = p ->> 'message')
    group by p ->> 'code' = 'TagMoved'
  loop
    perform notify_event(new.name, case when fresh -> 0 ->> 'code' = 'TagMoved' then 'tag-moved' else 'problem' end, null, null, md5(fresh::text), jsonb_build_object(
      'count', jsonb_array_length(fresh), 'commit', coalesce(new.commit_id, ''),
      'problems', (select jsonb_agg(jsonb_build_object('code', p ->> 'code', 'file', p ->> 'file', 'line', p -> 'line', 'message', left(p ->> 'message', 500))) from (select p from jsonb_array_elements(fresh) p limit 5) first)));
  end loop;
  return null;
end $$;
create trigger notify_problems after update on team for each row when (old.problems <> new.problems) execute function notify_problems();
