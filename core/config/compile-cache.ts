/** Keeps parsed and type-stripped code between starts, for this thread and for those it starts. Imports nothing, to be first. */
import { enableCompileCache } from 'node:module'

/** Where the folder cannot be written this does nothing. A worker only hears of it through the environment. */
export function useCompileCache(dir: string): void {
  enableCompileCache(dir)
  process.env['NODE_COMPILE_CACHE'] ??= dir
}
