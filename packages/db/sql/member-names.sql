-- The name of a member, kept after the membership ends: events and versions have the person's id alone.
create or replace function keep_member_name() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  insert into public.member_names (company_id, user_id, name) values (new.company_id, new.user_id, new.name)
    on conflict (company_id, user_id) do update set name = excluded.name;
  return null;
end $$;
create or replace trigger name_is_kept after insert or update of name on memberships
  for each row execute function keep_member_name();
