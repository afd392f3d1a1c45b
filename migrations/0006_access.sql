-- Who may look (R2): the members of each team as Git lists them, access tokens and browser sessions. Of a token or a session only a hash is kept.

create table member (
  team  text not null references team (name),
  -- In lower case: addresses are compared without case.
  email text not null,
  name  text not null,
  role  text not null check (role in ('user', 'admin', 'owner')),
  primary key (team, email)
);
create index member_email on member (email);

-- The one writer of members is the reading of the repository; this table follows its column. Who is listed twice has the strongest role.
create function team_members() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and new.members is not distinct from old.members then
    return null;
  end if;
  delete from member where team = new.name;
  insert into member (team, email, name, role)
    select distinct on (lower(m ->> 'email')) new.name, lower(m ->> 'email'), coalesce(m ->> 'name', ''), coalesce(m ->> 'role', 'user')
    from jsonb_array_elements(new.members) m
    where m ->> 'email' is not null
    order by lower(m ->> 'email'), array_position(array['owner', 'admin', 'user'], coalesce(m ->> 'role', 'user'));
  return null;
end $$;
create trigger team_members after insert or update of members on team for each row execute function team_members();
insert into member (team, email, name, role)
  select distinct on (t.name, lower(m ->> 'email')) t.name, lower(m ->> 'email'), coalesce(m ->> 'name', ''), coalesce(m ->> 'role', 'user')
  from team t, jsonb_array_elements(t.members) m
  where m ->> 'email' is not null
  order by t.name, lower(m ->> 'email'), array_position(array['owner', 'admin', 'user'], coalesce(m ->> 'role', 'user'));

create table access_token (
  -- The part of the token that is no secret; people know tokens by it.
  id           text primary key,
  hash         text not null,
  profile      text not null check (profile = lower(profile)),
  -- Null: every team of the profile.
  team         text references team (name),
  -- At most this role, whatever the profile has at the moment of use.
  role         text not null check (role in ('user', 'admin', 'owner')),
  label        text not null default '',
  created_by   text not null,
  created_at   timestamptz not null default now(),
  expires_at   timestamptz not null,
  revoked_at   timestamptz,
  revoked_by   text,
  -- To the hour, so that reading is not writing.
  last_used_at timestamptz
);
create index access_token_team on access_token (team);
create index access_token_profile on access_token (profile);
create index access_token_expiry on access_token (expires_at);

create table web_session (
  hash          text primary key,
  -- Null: the operator, whose token had this hash.
  profile       text,
  operator_hash text,
  -- A session can do what its token can, and ends with it. Null: signed in elsewhere (OpenID Connect).
  token_id      text references access_token (id) on delete cascade,
  created_at    timestamptz not null default now(),
  expires_at    timestamptz not null,
  check ((profile is null) = (operator_hash is not null))
);
create index web_session_expiry on web_session (expires_at);
create index web_session_token on web_session (token_id);
