/** A statement as the engine's own parser tells of it. */
export type Tree = { readonly [name: string]: unknown }

/** An object, and no list. */
export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A name as the engine compares it. */
export const lower = (name: unknown): string => (typeof name === 'string' ? name.toLowerCase() : '')
