-- Requests to merge are told as 0025 tells the rest: an open page of reviews renews itself.
create function tell_review() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform tell_change(old.team, 'review', old.ref);
  else
    perform tell_change(new.team, 'review', new.ref);
  end if;
  return null;
end $$;
create trigger tell_review_made after insert or delete on review for each row execute function tell_review();
create trigger tell_review_changed after update on review for each row when (old.* is distinct from new.*) execute function tell_review();
