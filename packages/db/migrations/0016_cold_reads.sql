drop function read_secret(uuid, text);
--> statement-breakpoint

-- The head of one secret: one row and no set of them, since most reads that no cache answers are of one.
create function read_secret(
  company uuid, wanted text, out company_id uuid, out secret_key text, out secret_value_encrypted text,
  out company_key_no integer, out current_version integer, out origin text, out removed boolean)
  language plpgsql volatile
  set search_path = pg_catalog
as $$
declare
  outer_company text := current_setting('tenant_secrets.company_id', true);
begin
  perform set_config('tenant_secrets.company_id', company::text, true);
  select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version, s.origin,
      s.deleted_at is not null
    into company_id, secret_key, secret_value_encrypted, company_key_no, current_version, origin, removed
    from public.company_secrets s where s.company_id = company and s.secret_key = wanted;
  perform set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $$;
--> statement-breakpoint
revoke execute on function read_secret(uuid, text) from public;
--> statement-breakpoint
grant execute on function read_secret(uuid, text) to tenant_secrets_application, tenant_secrets_maintenance;
--> statement-breakpoint

-- The heads of several secrets of any companies in one statement, each company's in its own scope. The first `ends[1]` of
-- the secret keys are the first company's, and so on.
create function read_secrets(companies uuid[], ends integer[], wanted text[])
  returns table (
    company_id uuid, secret_key text, secret_value_encrypted text, company_key_no integer, current_version integer,
    origin text, removed boolean)
  language plpgsql volatile
  set search_path = pg_catalog
as $$
declare
  outer_company text := current_setting('tenant_secrets.company_id', true);
  first integer := 1;
begin
  for i in 1 .. cardinality(companies) loop
    perform set_config('tenant_secrets.company_id', companies[i]::text, true);
    if first = ends[i] then
      return query
        select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version, s.origin,
          s.deleted_at is not null
        from public.company_secrets s where s.company_id = companies[i] and s.secret_key = wanted[first];
    else
      return query
        select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version, s.origin,
          s.deleted_at is not null
        from public.company_secrets s where s.company_id = companies[i] and s.secret_key = any(wanted[first:ends[i]]);
    end if;
    first := ends[i] + 1;
  end loop;
  perform set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $$;
--> statement-breakpoint
revoke execute on function read_secrets(uuid[], integer[], text[]) from public;
--> statement-breakpoint
grant execute on function read_secrets(uuid[], integer[], text[]) to tenant_secrets_application, tenant_secrets_maintenance;
--> statement-breakpoint

-- A company's row and its secrets are different news: secrets change all the time, and a row hardly ever.
do $$
declare
  event text;
begin
  foreach event in array array['insert', 'update', 'delete'] loop
    execute format('drop trigger notify_%1$s on company_secrets', event);
    execute format(
      'create trigger notify_%1$s after %1$s on company_secrets referencing %2$s table as changed for each statement execute function notify_companies(''company_id'', ''company-secrets'')',
      event, case event when 'delete' then 'old' else 'new' end);
  end loop;
end $$;
