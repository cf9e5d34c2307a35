/**
 * Runs once before all test files: finds the servers they need and passes on where they are, or why there are none; and
 * proves the sandbox of this machine, which each hub would otherwise do for itself in its fresh folder.
 */
import { proveSandbox } from '../../core/sandbox/proof.ts'
import { findPostgres, findRedis } from './find-services.ts'
import type { FoundService } from './find-services.ts'
import { tempDir } from './temp.ts'

/** vitest's global setup; what it answers is run at the end. Throws one line when the tests cannot be run here at all. */
export default async function setup(): Promise<() => Promise<void>> {
  if (!wantsServices(process.argv)) return async () => {}
  const proof = await tempDir('proof')
  await proveSandbox({ dataDir: proof.path, hardened: false })
  process.env['MANIFOLD_TEST_PROOF'] = proof.file('cache/sandbox-proof.json')
  const found = await Promise.allSettled([
    announce('MANIFOLD_TEST_POSTGRES', findPostgres),
    announce('MANIFOLD_TEST_REDIS', findRedis),
  ])
  const stop = async (): Promise<void> => {
    for (const each of found) if (each.status === 'fulfilled') await each.value()
    await proof[Symbol.asyncDispose]()
  }
  const missing = found.flatMap((each) => (each.status === 'rejected' ? [(each.reason as Error).message] : []))
  if (missing.length === 0) return stop
  await stop()
  throw new Error(missing.join(' '))
}

/** The rules of the house are checked on any machine: they look at files only. */
const wantsServices = (argv: readonly string[]): boolean => argv.at(-1) !== 'test/architecture'

/** Workers inherit the environment. */
async function announce(name: string, find: () => Promise<FoundService>): Promise<() => Promise<void>> {
  const { url, stop } = await find()
  process.env[`${name}_URL`] = url
  return stop
}
