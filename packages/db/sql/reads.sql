-- The heads of secrets, one for each pair of company and secret key that is asked for. They run as a role that may read heads
-- and do nothing else: the scope of a company would be set from the very argument that is compared here, at a cost of its own
-- for each secret. All that the MAC of a head is over comes with it, named as in SecretHeadRow (secret-heads.ts). Grace windows
-- and the canary are null where there are none: few heads have any, and a JSON text is parsed for each.

-- Most reads that the cache does not answer are of one secret: one row and no set of them.
create or replace function read_secret(
  company uuid, wanted text,
  out "companyId" uuid, out "secretKey" text, out "encrypted" text, out "companyKeyVersion" integer,
  out "currentVersion" integer, out "origin" text, out "removed" boolean, out "expiresAtMs" float8,
  out "pendingVersion" integer, out "lastVersion" integer, out "graceWindows" jsonb, out "canary" jsonb, out "recoverUntilMs" float8,
  out "purged" boolean, out "macKeyVersion" integer, out "mac" bytea)
  language plpgsql stable security definer
  set search_path = pg_catalog
as $$
begin
  select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_version, s.current_version, s.origin,
      s.deleted_at is not null, extract(epoch from s.expires_at) * 1000, s.pending_version, s.last_version,
      nullif(s.grace_windows, '[]'), s.canary, extract(epoch from s.recover_until) * 1000, s.purged_at is not null, s.mac_key_version, s.mac
    into "companyId", "secretKey", "encrypted", "companyKeyVersion", "currentVersion", "origin", "removed",
      "expiresAtMs", "pendingVersion", "lastVersion", "graceWindows", "canary", "recoverUntilMs", "purged", "macKeyVersion",
      "mac"
    from public.company_secrets s where s.company_id = company and s.secret_key = wanted;
end $$;

create or replace function read_secrets(companies uuid[], wanted text[])
  returns table (
    "companyId" uuid, "secretKey" text, "encrypted" text, "companyKeyVersion" integer, "currentVersion" integer,
    "origin" text, "removed" boolean, "expiresAtMs" float8, "pendingVersion" integer, "lastVersion" integer,
    "graceWindows" jsonb, "canary" jsonb, "recoverUntilMs" float8, "purged" boolean, "macKeyVersion" integer, "mac" bytea)
  language plpgsql stable security definer
  set search_path = pg_catalog
as $$
begin
  return query
    select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_version, s.current_version, s.origin,
      s.deleted_at is not null, (extract(epoch from s.expires_at) * 1000)::float8, s.pending_version, s.last_version,
      nullif(s.grace_windows, '[]'), s.canary, (extract(epoch from s.recover_until) * 1000)::float8, s.purged_at is not null, s.mac_key_version, s.mac
    from unnest(companies, wanted) as w(company, secret_key)
      join public.company_secrets s on s.company_id = w.company and s.secret_key = w.secret_key;
end $$;

alter function read_secret(uuid, text) owner to tenant_secrets_reader;
alter function read_secrets(uuid[], text[]) owner to tenant_secrets_reader;
grant execute on function read_secret(uuid, text), read_secrets(uuid[], text[])
  to tenant_secrets_application, tenant_secrets_maintenance;

-- Copies of secrets that came from their homes, one for each pair of company and secret key that is asked for. What an earlier home
-- has left here is none. The beat says up to when, by the home's clock, what is here is complete.
create or replace function read_copy(
  own_region text, company uuid, wanted text,
  out "companyId" uuid, out "secretKey" text, out "homeRegion" text, out "homeEpoch" integer, out "body" text, out "beatAtMs" float8)
  language plpgsql stable security definer
  set search_path = pg_catalog
as $$
begin
  select t.company_id, t.name, t.home_region, t.home_epoch, t.body into "companyId", "secretKey", "homeRegion", "homeEpoch", "body"
    from public.region_copies t
    where t.target_region = own_region and t.company_id = company and t.kind = 'secret' and t.name = wanted
      and (t.home_region, t.home_epoch) = (select h.home_region, h.home_epoch from public.company_homes h where h.company_id = company);
  if found then
    select extract(epoch from b.beat_at) * 1000 into "beatAtMs"
      from public.region_beats b where b.target_region = own_region and b.home_region = "homeRegion";
  end if;
end $$;

create or replace function read_copies(own_region text, companies uuid[], wanted text[])
  returns table (
    "companyId" uuid, "secretKey" text, "homeRegion" text, "homeEpoch" integer, "body" text, "beatAtMs" float8)
  language plpgsql stable security definer
  set search_path = pg_catalog
as $$
begin
  return query
    select c.* from unnest(companies, wanted) as w(company, secret_key)
      cross join lateral public.read_copy(own_region, w.company, w.secret_key) c
    where c."companyId" is not null;
end $$;
create or replace function list_copies(own_region text, company uuid)
  returns table (
    "companyId" uuid, "secretKey" text, "homeRegion" text, "homeEpoch" integer, "body" text, "beatAtMs" float8)
  language plpgsql stable security definer
  set search_path = pg_catalog
as $$
begin
  return query
    select c.* from public.region_copies t cross join lateral public.read_copy(own_region, t.company_id, t.name) c
    where t.target_region = own_region and t.company_id = company and t.kind = 'secret' and c."companyId" is not null;
end $$;

-- When a home last wrote to this region, by its clock, in milliseconds of Unix time.
create or replace function read_beat(own_region text, home text) returns float8
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select (extract(epoch from b.beat_at) * 1000)::float8 from public.region_beats b where b.target_region = own_region and b.home_region = home
$$;
alter function list_copies(text, uuid) owner to tenant_secrets_reader;
alter function read_beat(text, text) owner to tenant_secrets_reader;
alter function read_copy(text, uuid, text) owner to tenant_secrets_reader;
alter function read_copies(text, uuid[], text[]) owner to tenant_secrets_reader;
grant execute on function read_copy(text, uuid, text), read_copies(text, uuid[], text[]), list_copies(text, uuid), read_beat(text, text)
  to tenant_secrets_application, tenant_secrets_maintenance;
