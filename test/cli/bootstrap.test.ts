/** The first code of every command, in a small project of its own: installs when it must, hands over, leaves nobody behind. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmod, copyFile, mkdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ROOT } from '../support/hub.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const OWN_NODE = `${ROOT}node_modules/.bin/node`
/** The Node of the machine, which may be older than ours and then cannot replace its process. */
const HOST_NODE = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((dir) => !dir.includes('node_modules'))
  .map((dir) => join(dir, 'node'))
  .find((file) => existsSync(file))
const NODES: [string, string][] = [
  ['ours', OWN_NODE],
  ...(HOST_NODE === undefined ? [] : [["the machine's", HOST_NODE] as [string, string]]),
]

/** Stands in for the program: says what it was given once it listens for signals, ends as it is told. */
const PROGRAM = `
const [verb, ...rest] = process.argv.slice(2)
if (process.channel) { process.on('disconnect', () => process.exit(0)); process.channel.unref() }
process.on('SIGTERM', () => { console.log('TERM'); process.exit(7) })
console.log(JSON.stringify({ node: process.versions.node, verb, rest, pid: process.pid }))
if (verb === 'wait') setInterval(() => {}, 1000)
else process.exitCode = Number(verb)
`

const LOCK = {
  packages: {
    '': {},
    'node_modules/thing': { version: '1.2.3' },
    'node_modules/other-os': { version: '1.0.0', optional: true },
  },
}
const INSTALLED = { packages: { 'node_modules/thing': { version: '1.2.3' } } }

let temp: TempDir
beforeEach(async () => {
  temp = await tempDir('bootstrap')
  await mkdir(temp.file('core/cli'), { recursive: true })
  await mkdir(temp.file('node_modules/.bin'), { recursive: true })
  await mkdir(temp.file('bin'))
  await copyFile(`${ROOT}core/bootstrap.mjs`, temp.file('core/bootstrap.mjs'))
  await writeFile(temp.file('core/cli/main.ts'), PROGRAM)
  await writeFile(temp.file('package.json'), '{"type":"module"}')
  await writeFile(temp.file('package-lock.json'), JSON.stringify(LOCK))
  await symlink(await realpath(OWN_NODE), temp.file('node_modules/.bin/node'))
})
afterEach(() => temp[Symbol.asyncDispose]())

/** npm as this project sees it: writes down that it was called, then what an install would leave. */
async function fakeNpm(exit: number): Promise<void> {
  const installed = JSON.stringify(INSTALLED)
  await writeFile(
    temp.file('bin/npm'),
    `#!/bin/sh\necho "$@" >> ${temp.file('npm-calls')}\necho "npm says why" >&2\nprintf '%s' '${installed}' > ${temp.file('node_modules/.package-lock.json')}\nexit ${exit}\n`,
  )
  await chmod(temp.file('bin/npm'), 0o755)
}

interface Run {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly ended: Promise<number | null>
}

function boot(node: string, ...args: string[]): Run {
  const child = spawn(node, [temp.file('core/bootstrap.mjs'), ...args], {
    env: { PATH: `${temp.file('bin')}${delimiter}/usr/bin${delimiter}/bin`, TMPDIR: temp.path },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { child, out: () => out, err: () => err, ended }
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)

describe.each(NODES)('run by %s Node', (_name, node) => {
  it('installs when nothing is there, says so in two lines, and not again', async () => {
    await fakeNpm(0)
    const first = boot(node, '0', '--flag', 'a b')
    expect(await first.ended).toBe(0)
    expect(JSON.parse(first.out())).toMatchObject({
      verb: '0',
      rest: ['--flag', 'a b'],
      node: expect.stringMatching(/^2[4-9]/),
    })
    expect(first.err()).toMatch(
      /^manifold: installing 2 packages \(only needed once\) \.\.\.\nmanifold: packages installed in \d+ s\n$/,
    )
    const second = boot(node, '0')
    expect([await second.ended, second.err()]).toEqual([0, ''])
    expect((await readFile(temp.file('npm-calls'), 'utf8')).trim().split('\n')).toEqual([
      'ci --ignore-scripts --no-audit --no-fund --loglevel=error',
    ])
  })

  it('hands the exit code back, and passes signals on', async () => {
    await writeFile(temp.file('node_modules/.package-lock.json'), JSON.stringify(INSTALLED))
    expect(await boot(node, '42').ended).toBe(42)
    const run = boot(node, 'wait')
    await until('the program to run', () => run.out(), { accept: (text) => text.includes('pid') })
    run.child.kill('SIGTERM')
    expect(await run.ended).toBe(7)
    expect(run.out()).toContain('TERM')
  })

  it('leaves nobody behind when it is killed outright', async () => {
    await writeFile(temp.file('node_modules/.package-lock.json'), JSON.stringify(INSTALLED))
    const run = boot(node, 'wait')
    const text = await until('the program to run', () => run.out(), { accept: (said) => said.includes('\n') })
    const { pid } = JSON.parse(text) as { pid: number }
    run.child.kill('SIGKILL')
    await until('the program to end', () => !isAlive(pid))
  })
})

it('takes what somebody installed by hand, and installs again when a version differs', async () => {
  await fakeNpm(0)
  await writeFile(temp.file('node_modules/.package-lock.json'), JSON.stringify(INSTALLED))
  expect(await boot(OWN_NODE, '0').ended).toBe(0)
  expect(existsSync(temp.file('npm-calls'))).toBe(false)
  await writeFile(
    temp.file('package-lock.json'),
    JSON.stringify({ packages: { ...LOCK.packages, 'node_modules/thing': { version: '1.2.4' } } }),
  )
  expect(await boot(OWN_NODE, '0').ended).toBe(0)
  expect(existsSync(temp.file('npm-calls'))).toBe(true)
})

it('two at once install once', async () => {
  await fakeNpm(0)
  const runs = [boot(OWN_NODE, '0'), boot(OWN_NODE, '0')]
  expect(await Promise.all(runs.map((run) => run.ended))).toEqual([0, 0])
  expect((await readFile(temp.file('npm-calls'), 'utf8')).trim().split('\n')).toHaveLength(1)
})

it('tells what npm said when it fails, and starts nothing', async () => {
  await fakeNpm(3)
  const run = boot(OWN_NODE, '0')
  expect(await run.ended).toBe(1)
  expect(run.err()).toContain('installing packages failed (npm ci ended with 3)')
  expect(run.err()).toContain('npm says why')
  expect(run.out()).toBe('')
  expect(existsSync(temp.file('node_modules/.manifold-installed'))).toBe(false)
})

it('an unknown task is a mistake of usage', async () => {
  await writeFile(temp.file('node_modules/.package-lock.json'), JSON.stringify(INSTALLED))
  const run = boot(OWN_NODE, '--npm', 'nonsense')
  expect([await run.ended, run.err()]).toEqual([2, 'manifold: --npm takes test, check, bench\n'])
})
