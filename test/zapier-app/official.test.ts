/** Zapier's own `validate` and `build` take the app, without Zapier's servers, on both Nodes that it may run on. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { APP, packagesOf, TOOL } from '../../zapier-app/offline/packages.ts'

/** The first time brings 800 packages and a Node. */
const INSTALL_MS = 600_000
const RUN_MS = 240_000

let node22 = ''

beforeAll(async () => {
  const [tool] = await Promise.all([packagesOf(TOOL), packagesOf(APP)])
  const bin = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node'
  node22 = join(tool, `node-${process.platform}-${process.arch}`, bin)
}, INSTALL_MS)

test.each(['v22', 'v24'])(
  'validate and build on Node %s',
  async (major) => {
    const node = major === 'v22' ? node22 : process.execPath
    const { stdout } = await promisify(execFile)(node, [join(TOOL, 'validate-and-build.ts')])
    expect(stdout).toContain(`Node ${major}.`)
    expect(stdout).toContain('No structural errors found during validation routine.')
    expect(stdout).toMatch(/validate and build are through; build\.zip \d{6,} bytes/)
  },
  RUN_MS,
)
