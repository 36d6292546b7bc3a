drop function read_secret(uuid, text);
--> statement-breakpoint

-- The head of one secret. As cheap as can be, since most reads that no cache answers are of one: one row and no set of
-- them, and every name spelt out in place of a search_path to switch to and back.
create function read_secret(
  company uuid, wanted text, out company_id uuid, out secret_key text, out secret_value_encrypted text,
  out company_key_no integer, out current_version integer, out origin text, out removed boolean)
  language plpgsql volatile
as $$
declare
  outer_company text := pg_catalog.current_setting('tenant_secrets.company_id', true);
begin
  perform pg_catalog.set_config('tenant_secrets.company_id', company::pg_catalog.text, true);
  select s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version, s.origin,
      s.deleted_at is not null
    into company_id, secret_key, secret_value_encrypted, company_key_no, current_version, origin, removed
    from public.company_secrets s
    where s.company_id operator(pg_catalog.=) company and s.secret_key operator(pg_catalog.=) wanted;
  perform pg_catalog.set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $$;
--> statement-breakpoint
revoke execute on function read_secret(uuid, text) from public;
--> statement-breakpoint
grant execute on function read_secret(uuid, text) to tenant_secrets_application, tenant_secrets_maintenance;
--> statement-breakpoint

-- The heads of several secrets, of any companies, in one statement, each read in its own company's scope.
create function read_secrets(companies uuid[], wanted text[])
  returns table (
    place integer, company_id uuid, secret_key text, secret_value_encrypted text, company_key_no integer,
    current_version integer, origin text, removed boolean)
  language plpgsql volatile
  set search_path = pg_catalog
as $$
declare
  outer_company text := current_setting('tenant_secrets.company_id', true);
begin
  for i in 1 .. cardinality(companies) loop
    perform set_config('tenant_secrets.company_id', companies[i]::text, true);
    return query
      select i, s.company_id, s.secret_key, s.secret_value_encrypted, s.company_key_no, s.current_version, s.origin,
        s.deleted_at is not null
      from public.company_secrets s
      where s.company_id = companies[i] and s.secret_key = wanted[i];
  end loop;
  perform set_config('tenant_secrets.company_id', coalesce(outer_company, ''), true);
end $$;
--> statement-breakpoint
revoke execute on function read_secrets(uuid[], text[]) from public;
--> statement-breakpoint
grant execute on function read_secrets(uuid[], text[]) to tenant_secrets_application, tenant_secrets_maintenance;
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
