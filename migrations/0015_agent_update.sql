-- The version that a Node manifest wants of its agent, and what became of it. `agent_update` is null while nothing is wrong:
-- else {version, code, reason, at}.
alter table node add column wanted_agent_version text;
alter table node add column agent_update jsonb;
create trigger tell_node_update after update on node for each row
  when ((old.wanted_agent_version, old.agent_update) is distinct from (new.wanted_agent_version, new.agent_update)) execute function tell_node();
