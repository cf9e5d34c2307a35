-- 0030: when the form of a hook was deleted: a form that has its id later is another one. Null: it is there, or the hook is for every form.
ALTER TABLE hooks ADD COLUMN form_gone_at text COLLATE "C";
-- Of forms that went before this was noted; when is not known.
UPDATE hooks SET form_gone_at = updated_at WHERE form_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM forms
  WHERE forms.workspace = hooks.workspace AND forms.id = hooks.form_id);
