-- Leases with fencing tokens. The database's clock is the only one that counts. Rows stay after release, so that the
-- token of a name only ever grows.
create table lease (
  name text primary key,
  holder text not null,
  token bigint not null check (token > 0),
  expires_at timestamptz not null
);
