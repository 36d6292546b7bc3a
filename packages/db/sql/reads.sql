-- All that the MAC of a head is over comes with it. Grace windows are null where there are none: few heads have any, and a JSON
-- text is parsed for each.
--
-- The head of one secret in one statement with row-level security on: the company is set for this statement, and put back
-- as it was, so that a caller's own transaction is not left in another company's scope. One row and no set of them, since
-- most reads that the cache does not answer are of one. The scope is set by an assignment, which costs less than `perform`:
-- that runs a query.
drop function if exists read_secret(uuid, text), read_secrets(uuid[], integer[], text[]);
create function read_secret(
  company uuid, wanted text, out company_id uuid, out secret_key text, out secret_value_encrypted text,
  out company_key_version integer, out current_version integer, out origin text, out removed boolean,
  out expires_at timestamptz, out pending_version integer, out last_version integer, out grace_windows jsonb,
  out recover_until timestamptz, out purged boolean, out mac_key_version integer, out mac bytea)
  language plpgsql volatile
  set search_path = pg_catalog
as $$
declare
  outer_company text := current_setting('tenant_secrets.company_id', true);
  scope text;
begin
  scope := set_config('tenant_secrets.company_id', company::text, true);
  select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_version, s.current_version, s.origin,
      s.deleted_at is not null, s.expires_at, s.pending_version, s.last_version, nullif(s.grace_windows, '[]'),
      s.recover_until, s.purged_at is not null, s.mac_key_version, s.mac
    into company_id, secret_key, secret_value_encrypted, company_key_version, current_version, origin, removed, expires_at,
      pending_version, last_version, grace_windows, recover_until, purged, mac_key_version, mac
    from public.company_secrets s where s.company_id = company and s.secret_key = wanted;
  scope := set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $$;
grant execute on function read_secret(uuid, text) to tenant_secrets_application, tenant_secrets_maintenance;

-- The heads of several secrets of any companies in one statement, each company's in its own scope. The first `ends[1]` of
-- the secret keys are the first company's, and so on.
create function read_secrets(companies uuid[], ends integer[], wanted text[])
  returns table (
    company_id uuid, secret_key text, secret_value_encrypted text, company_key_version integer, current_version integer,
    origin text, removed boolean, expires_at timestamptz, pending_version integer, last_version integer,
    grace_windows jsonb, recover_until timestamptz, purged boolean, mac_key_version integer, mac bytea)
  language plpgsql volatile
  set search_path = pg_catalog
as $$
declare
  outer_company text := current_setting('tenant_secrets.company_id', true);
  scope text;
  first integer := 1;
begin
  for i in 1 .. cardinality(companies) loop
    scope := set_config('tenant_secrets.company_id', companies[i]::text, true);
    if first = ends[i] then
      return query
        select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_version, s.current_version, s.origin,
          s.deleted_at is not null, s.expires_at, s.pending_version, s.last_version, nullif(s.grace_windows, '[]'),
          s.recover_until, s.purged_at is not null, s.mac_key_version, s.mac
        from public.company_secrets s where s.company_id = companies[i] and s.secret_key = wanted[first];
    else
      return query
        select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_version, s.current_version, s.origin,
          s.deleted_at is not null, s.expires_at, s.pending_version, s.last_version, nullif(s.grace_windows, '[]'),
          s.recover_until, s.purged_at is not null, s.mac_key_version, s.mac
        from public.company_secrets s where s.company_id = companies[i] and s.secret_key = any(wanted[first:ends[i]]);
    end if;
    first := ends[i] + 1;
  end loop;
  scope := set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $$;
grant execute on function read_secrets(uuid[], integer[], text[]) to tenant_secrets_application, tenant_secrets_maintenance;
