/** Texts in statements, where no parameter can stand. */

/** A text as it stands in a statement. */
export const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`
