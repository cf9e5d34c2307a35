/**
 * Before a hub loads plugins: the self-test of the sandbox, once for each Node, isolated-vm and program of the child. What
 * passed is written down in the data folder; what failed is tried again at every start.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { childFlags } from './process.ts'
import { childCode, guestCode } from './programs.ts'
import type { SelfTestLine } from './self-test.ts'

/** Thrown instead of loading plugins: this machine's sandbox let something through. */
export class SandboxUnsafe extends Error {
  override readonly name = 'SandboxUnsafe'
  readonly lines: readonly SelfTestLine[]

  constructor(lines: readonly SelfTestLine[]) {
    super(`The sandbox does not hold:\n${lines.map(({ name, detail }) => `  ${name}: ${detail}`).join('\n')}`)
    this.lines = lines
  }
}

export interface ProofInput {
  readonly dataDir: string
  /** Which kind of children. */
  readonly hardened: boolean
  /** For tests that plant a fault. */
  readonly flags?: (hardened: boolean) => readonly string[]
}

/** Resolves when the sandbox is known to hold; rejects with `SandboxUnsafe`. */
export async function proveSandbox(input: ProofInput): Promise<void> {
  const { dataDir, hardened, flags = childFlags } = input
  const file = join(dataDir, 'cache', 'sandbox-proof.json')
  const known = await readKnown(file)
  const key = await keyOf(flags(hardened))
  if (known.includes(key)) return
  const { testSandbox } = await import('./self-test.ts')
  const failed = (await testSandbox({ hardened, flags })).filter(({ level }) => level === 'fail')
  if (failed.length > 0) throw new SandboxUnsafe(failed)
  await remember(file, [key, ...known].slice(0, KEPT_MAX))
}

/** The same for both kinds of children, each tested once. */
export interface Proofs {
  prove(hardened: boolean): Promise<void>
  /** Of everything that runs in this process: transforms wherever responses are taken, the rest where the log is worked off. */
  forUnits(units: readonly { readonly hardened: boolean; readonly transform: object | null }[]): Promise<void>
}

/** Begins at once with what is surely needed. */
export function openProofs({ dataDir, role }: { readonly dataDir: string; readonly role: string }): Proofs {
  const known = new Map<boolean, Promise<void>>()
  let last: Promise<unknown> = Promise.resolve()
  const prove = (hardened: boolean): Promise<void> => {
    const earlier = known.get(hardened)
    if (earlier !== undefined) return earlier
    // One after the other: side by side they would disturb each other's clocks, and one would forget what the other wrote.
    const proof = last.then(() => proveSandbox({ dataDir, hardened }))
    known.set(hardened, proof)
    last = proof.catch(() => undefined)
    // A start that fails before anybody waits for it has told its own reason.
    return proof
  }
  if (role !== 'api') void prove(false)
  return {
    prove,
    forUnits: async (units) => {
      const here = role === 'api' ? units.filter(({ transform }) => transform !== null) : units
      await Promise.all([...(role === 'api' ? [] : [prove(false)]), ...here.map(({ hardened }) => prove(hardened))])
    },
  }
}

/** Of this version, an older one and their hardened twins: going back and forth tests nothing again. */
const KEPT_MAX = 8

/** Everything that decides whether it holds. */
async function keyOf(flags: readonly string[]): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve('isolated-vm/package.json')
  const [guest, child, library, test] = await Promise.all([
    guestCode(),
    childCode(),
    readFile(manifest, 'utf8'),
    readFile(new URL('./self-test.ts', import.meta.url), 'utf8'),
  ])
  const { node, v8 } = process.versions
  return createHash('sha256')
    .update(JSON.stringify([node, v8, process.platform, process.arch, flags, guest, child, library, test]))
    .digest('hex')
}

async function readKnown(file: string): Promise<readonly string[]> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'))
    return Array.isArray(value) ? value.filter((key) => typeof key === 'string') : []
  } catch {
    return []
  }
}

async function remember(file: string, keys: readonly string[]): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(temporary, JSON.stringify(keys), { mode: 0o600 })
    await rename(temporary, file)
  } catch {
    // A folder that cannot be written only costs the next start some time.
  }
}
