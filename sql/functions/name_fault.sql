-- What is wrong with a name, as baton/core/names.py has it; null for nothing. The name of a step or
-- worker has no characters that are reserved for children, and is in the one form in which Unicode
-- writes its letters.
create or replace function name_fault(p_name text, p_is_step boolean) returns text
language sql immutable parallel safe
return case
           when p_name is null then 'is missing'
           when p_name !~ '\S' then 'is empty'
           when length(p_name) > 200 then 'has more than 200 characters'
           when p_name ~ '[\u0001-\u001f\u007f-\u009f]' then 'contains a character that cannot be shown'
           when p_is_step and p_name ~ '[][/]' then 'contains a character that is reserved for children: / [ ]'
           when p_is_step and octet_length(p_name) <> length(p_name) and p_name is not nfc normalized then
               'is not in the Unicode form NFC'
       end;
