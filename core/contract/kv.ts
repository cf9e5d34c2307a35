/** What a plugin remembers between runs. */
import type { Json } from './json.ts'

/** Keys and values of one installation. */
export interface Kv {
  get(key: string): Promise<Json | undefined>
  set(key: string, value: Json, options?: { ttlMs?: number }): void
  delete(key: string): void
  /** Keys with this prefix in order, at most 1000 a call. */
  list(prefix: string, after?: string): Promise<{ keys: string[]; next: string | null }>
}
