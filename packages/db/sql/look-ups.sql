-- The look-ups that come before a company is known. They run as the maintenance role, which the policies let
-- through, with a pinned search_path, and answer exactly one row or none.
drop function if exists find_company(text);
create function find_company(wanted text)
  returns table (id uuid, subdomain text, infisical_folder text, secret_store text, store_epoch integer, status text)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select c.id, c.subdomain, c.infisical_folder, c.secret_store, c.store_epoch, c.status
  from public.companies c where c.subdomain = wanted and c.deleted_at is null
$$;

create or replace function find_api_key(wanted text)
  returns table (id uuid, company_id uuid, name text, hash text, verbs text[], key_patterns text[], addresses text[],
    expires_at timestamptz, revoked_at timestamptz, company_ids uuid[], valid boolean)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select k.id, k.company_id, k.name, k.hash, k.verbs, k.key_patterns, k.addresses, k.expires_at, k.revoked_at,
    array(select l.company_id from public.api_key_companies l where l.api_key_id = k.id),
    k.revoked_at is null and k.expires_at > now()
  from public.api_keys k where k.prefix = wanted
$$;

create or replace function find_operator(wanted text)
  returns table (id uuid, name text, token_hash text, valid boolean)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select o.id, o.name, o.token_hash, o.revoked_at is null and o.expires_at > now()
  from public.operators o where o.token_prefix = wanted
$$;

-- Who a person is and where they belong, in one look, before a company is known.
create or replace function find_user(wanted uuid)
  returns table (id uuid, email text, valid boolean, company_ids uuid[], roles text[])
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select u.id, u.email, u.disabled_at is null,
    array(select m.company_id from public.memberships m where m.user_id = u.id order by m.company_id),
    array(select m.role from public.memberships m where m.user_id = u.id order by m.company_id)
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
