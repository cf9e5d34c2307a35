/** `manifold openapi`: the API description this version answers, as committed. */
import { readFile } from 'node:fs/promises'
import type { Run } from './call.ts'

export const run: Run = async ({ terminal }) => {
  terminal.line((await readFile(new URL('../http/openapi.json', import.meta.url), 'utf8')).trimEnd())
}
