-- The look-ups that come before a company is known. They run as the maintenance role, which the policies let
-- through, with a pinned search_path, and answer exactly one row or none.
create or replace function find_company(wanted text)
  returns table (id uuid, subdomain text, infisical_folder text, secret_store text, store_epoch integer, status text,
    second_factor_required boolean, home_region text, home_epoch integer, revision integer, mac_key_version smallint, mac bytea)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select c.id, c.subdomain, c.infisical_folder, c.secret_store, c.store_epoch, c.status,
    c.second_factor_required, c.home_region, c.home_epoch, c.revision, c.mac_key_version, c.mac
  from public.companies c where c.subdomain = wanted and c.deleted_at is null
$$;

create or replace function find_api_key(wanted text)
  returns table (id uuid, company_id uuid, prefix text, hash text, verbs text[], key_patterns text[], addresses text[],
    created_by_kind text, created_by_id text, expires_at timestamptz, revoked boolean, company_ids uuid[],
    revision integer, mac_key_version smallint, mac bytea)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select k.id, k.company_id, k.prefix, k.hash, k.verbs, k.key_patterns, k.addresses, k.created_by_kind, k.created_by_id,
    k.expires_at, k.revoked_at is not null,
    array(select l.company_id from public.api_key_companies l where l.api_key_id = k.id order by l.company_id),
    k.revision, k.mac_key_version, k.mac
  from public.api_keys k where k.prefix = wanted
$$;

create or replace function find_operator(wanted text)
  returns table (id uuid, token_prefix text, token_hash text, user_id uuid, expires_at timestamptz, revoked boolean,
    revision integer, mac_key_version smallint, mac bytea)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select o.id, o.token_prefix, o.token_hash, o.user_id, o.expires_at, o.revoked_at is not null, o.revision, o.mac_key_version, o.mac
  from public.operators o where o.token_prefix = wanted
$$;

-- Who a person is, where they belong and what operator they may act as, in one look, before a company is known.
create or replace function find_user(wanted uuid)
  returns table (id uuid, email text, disabled boolean, revision integer, mac_key_version smallint, mac bytea, memberships json,
    link json)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select u.id, u.email, u.disabled_at is not null, u.revision, u.mac_key_version, u.mac,
    (select coalesce(json_agg(json_build_object('companyId', m.company_id, 'role', m.role, 'revision', m.revision,
        'macKeyVersion', m.mac_key_version, 'mac', encode(m.mac, 'hex'),
        'secondFactorRequired', c.second_factor_required and c.deleted_at is null) order by m.company_id), '[]')
      from public.memberships m join public.companies c on c.id = m.company_id where m.user_id = u.id),
    (select json_build_object('id', o.id, 'expiresAtMs', extract(epoch from o.expires_at) * 1000,
        'expiresInMs', extract(epoch from o.expires_at - now()) * 1000, 'revision', o.revision,
        'macKeyVersion', o.mac_key_version, 'mac', encode(o.mac, 'hex'))
      from public.operators o where o.user_id = u.id and o.token_hash is null and o.revoked_at is null)
  from public.users u where u.id = wanted
$$;

-- Sampled, so that a read does not become a write: at most one update a minute for a key.
create or replace function touch_api_key(wanted uuid) returns void
  language sql volatile security definer
  set search_path = pg_catalog
as $$
  update public.api_keys set last_used_at = now()
  where id = wanted and (last_used_at is null or last_used_at < now() - interval '1 minute')
$$;

alter function find_company(text) owner to tenant_secrets_maintenance;
alter function find_api_key(text) owner to tenant_secrets_maintenance;
alter function find_operator(text) owner to tenant_secrets_maintenance;
alter function find_user(uuid) owner to tenant_secrets_maintenance;
alter function touch_api_key(uuid) owner to tenant_secrets_maintenance;
grant execute on function find_company(text), find_api_key(text), find_operator(text), find_user(uuid), touch_api_key(uuid)
  to tenant_secrets_application, tenant_secrets_maintenance;
