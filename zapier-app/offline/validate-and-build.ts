/**
 * Runs Zapier's own `validate` and `build` on the app without its servers, on the Node that runs this:
 * `node zapier-app/offline/validate-and-build.ts [FOLDER]`. Everything is done to a copy, which stays in FOLDER where one is named.
 * What npm brings for it is kept for the next time (`packages.ts`). Ends with 1 when either fails.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { APP, packagesOf, TOOL } from './packages.ts'

/** What of the folder is no part of the app. */
const LEFT_OUT = new Set(['node_modules', 'dist', 'build', 'offline'])
/** What the endpoint of the publishing checks says of a definition without fault. */
const NO_FAULT = {
  passes: [],
  errors: { total_failures: 0, display_label: 'Errors' },
  warnings: { total_failures: 0, display_label: 'Publishing tasks' },
  suggestions: { total_failures: 0, display_label: 'Warnings' },
}

const named = process.argv[2]
const app = named === undefined ? mkdtempSync(join(tmpdir(), 'zapier-app-')) : resolve(named)
const checked: string[] = []
const endpoint = createServer((request, response) => {
  checked.push(`${request.method} ${request.url}`)
  request.resume().on('end', () => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(NO_FAULT))
  })
})
await new Promise<void>((listening) => void endpoint.listen(0, '127.0.0.1', listening))

/** Rejects when it ends with anything but 0. */
async function zapier(tool: string, ...args: string[]): Promise<void> {
  const bin = join(tool, 'zapier-platform-cli/src/bin/run')
  const env = {
    ...process.env,
    // What the tool starts runs on this Node, too.
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    ZAPIER_BASE_ENDPOINT: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`,
    DISABLE_ZAPIER_ANALYTICS: '1',
  }
  const child = spawn(process.execPath, [bin, ...args], { cwd: app, env, stdio: 'inherit' })
  const code = await new Promise<number | null>((ended, failed) => child.on('error', failed).on('close', ended))
  if (code !== 0) throw new Error(`zapier-platform ${args.join(' ')} ended with ${String(code)}`)
}

/**
 * Compiles, packs and loads what it packed; what it would check `validate` does. The tool gives it five seconds to load, which a machine
 * that is busy with other tests may exceed: then once more.
 */
async function build(tool: string): Promise<void> {
  const args = [tool, 'build', '--skip-dep-install', '--skip-validation'] as const
  await zapier(...args).catch(() => zapier(...args))
}

try {
  const [tool, modules] = await Promise.all([packagesOf(TOOL), packagesOf(APP)])
  cpSync(APP, app, { recursive: true, filter: (from) => !LEFT_OUT.has(from.slice(APP.length + 1)) })
  cpSync(modules, join(app, 'node_modules'), { recursive: true, verbatimSymlinks: true })
  await build(tool)
  // Of what was compiled just now.
  await zapier(tool, 'validate', '--skip-build')
  const sizes = ['build.zip', 'source.zip'].map((name) => `${name} ${statSync(join(app, 'build', name)).size} bytes`)
  if (checked.length === 0) throw new Error('The publishing checks were not asked for.')
  console.log(
    `Node ${process.version}: validate and build are through; ${sizes.join(', ')}; asked for: ${checked.join(', ')}`,
  )
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  endpoint.close()
  if (named === undefined) rmSync(app, { recursive: true, force: true })
}
