create or replace function keep_company_subdomain() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  insert into public.company_subdomains (company_id, subdomain) values (new.id, new.subdomain) on conflict do nothing;
  return null;
end $$;
create or replace trigger keep_subdomain after insert or update of subdomain on companies
  for each row execute function keep_company_subdomain();
