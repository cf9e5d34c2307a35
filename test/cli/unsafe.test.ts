/** A hub whose sandbox does not hold: no plugin is started, and whoever starts it learns why. */
import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { ROOT } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'

/** The hub with a fault planted in it. */
async function run(
  cwd: string,
  args: readonly string[],
): Promise<{ code: number | null; said: string; stdout: string }> {
  const fault = new URL('../fixtures/sandbox/open-walls.mjs', import.meta.url).href
  const child = spawn(`${ROOT}node_modules/.bin/node`, [`--import=${fault}`, `${ROOT}core/cli/main.ts`, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let stdout = ''
  child.stdout.on('data', (text: string) => (stdout += text))
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, said, stdout }
}

test('start ends with a code of its own and says what to do', async () => {
  await using temp = await tempDir('unsafe')
  const { code, said } = await run(temp.path, ['start', '--port', '0'])
  expect(said).toMatch(/The sandbox does not hold:\n {2}process: .*not shut in: it can read files/)
  expect(said).toContain('npm ci')
  expect(said).not.toContain('"event":"ready"')
  expect(code).toBe(70)
})

test('doctor shows it as a failure', async () => {
  await using temp = await tempDir('unsafe')
  const { code, stdout } = await run(temp.path, ['doctor', '--json'])
  const { findings } = JSON.parse(stdout) as {
    findings: { name: string; level: string }[]
  }
  expect(findings.filter(({ level }) => level === 'fail').map(({ name }) => name)).toEqual([
    'sandbox, process',
    'hardened sandbox, process',
  ])
  expect(code).toBe(1)
})
