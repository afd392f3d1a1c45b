-- Public keys that secrets for a node may be sealed to, as its agent told them, the current one first. Empty: nobody has said.
alter table node add column secret_recipients text[] not null default '{}';
