/** `manifold <verb>` as a user types it: run to its end, with what it said on both channels. */
import { spawn } from 'node:child_process'
import { COMPILE_CACHE, ROOT, TEST_ADMIN_KEY } from './hub.ts'
import type { Hub } from './hub.ts'

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Standard output as JSON; throws with everything said when it is none. */
  json<T = Record<string, unknown>>(): T
}

/** Runs one verb against this hub (or none), with its address, key, data and configuration in the environment. */
export async function manifold(
  hub: Hub | null,
  args: readonly string[],
  options: { readonly input?: string } = {},
): Promise<CliResult> {
  const child = spawn(`${ROOT}node_modules/.bin/node`, [`${ROOT}core/cli/main.ts`, ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...(hub === null
        ? {}
        : {
            MANIFOLD_URL: hub.url,
            MANIFOLD_ADMIN_KEY: hub.adminKey ?? TEST_ADMIN_KEY,
            MANIFOLD_DATA: hub.dataDir,
            MANIFOLD_CONFIG: hub.configFile,
          }),
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(options.input ?? '')
  const [stdout, stderr, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ])
  return {
    code,
    stdout,
    stderr,
    json: <T>() => {
      try {
        return JSON.parse(stdout) as T
      } catch (cause) {
        throw new Error(
          `manifold ${args.join(' ')} (exit ${code}) did not print JSON.\nstdout: ${stdout}\nstderr: ${stderr}`,
          { cause },
        )
      }
    },
  }
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
