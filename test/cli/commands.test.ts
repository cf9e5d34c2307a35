/** Commands that need no hub: what they print where, and how they end. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { EXIT_CODES, exitCodesTable } from '../../core/cli/exit-codes.ts'
import { HELLO, writePlugin } from '../registry/plugin-folder.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import type { Ended } from './run-cli.ts'
import { runCli } from './run-cli.ts'

let temp: TempDir
beforeEach(async () => {
  temp = await tempDir('cli')
})
afterEach(() => temp[Symbol.asyncDispose]())

const cli = (...args: string[]): Promise<Ended> => runCli(temp.path, args)
const json = (ended: Ended): Record<string, unknown> => JSON.parse(ended.stdout) as Record<string, unknown>

describe('the command line', () => {
  it('help of a group shows what its own verb takes', async () => {
    for (const [group, option] of [
      ['deliveries', '--text <words>'],
      ['runs', '--failed'],
      ['quarantine', '--verdict <verdict>'],
      ['dead-letters', '--group'],
    ] as const)
      expect((await cli(group, '--help')).stdout).toContain(option)
    expect((await cli('keys', 'create', '--help')).stdout).not.toContain('Alone it is')
  })

  it('help names every verb and exit code, and goes to stdout', async () => {
    const { code, stdout, stderr } = await cli('--help')
    expect([code, stderr]).toEqual([0, ''])
    for (const verb of [
      'start',
      'dev',
      'init',
      'doctor',
      'status',
      'config',
      'plugin',
      'send',
      'deliveries',
      'dead-letters',
      'replay',
      'quarantine',
      'keys',
      'db',
      'openapi',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${verb}\\b`, 'm'))
    }
    for (const { code: exit, meaning } of Object.values(EXIT_CODES)) {
      expect(stdout).toContain(`${exit}`)
      expect(stdout.replace(/\s+/g, ' ')).toContain(meaning)
      expect(exitCodesTable()).toContain(`| ${exit} | ${meaning} |`)
    }
  })

  it('what cannot be understood ends with 2, says why on stderr, and prints nothing', async () => {
    const lines = [
      ['stat'],
      ['start', '--port', 'x'],
      ['replay'],
      ['replay', '--since', 'yesterday'],
      ['deliveries', '--limit', '0'],
      ['start', '--nonsense'],
    ]
    const ended = await Promise.all(lines.map((args) => cli(...args)))
    expect(ended.map(({ code, stdout }) => [code, stdout])).toEqual(lines.map(() => [2, '']))
    for (const { stderr } of ended) expect(stderr).toMatch(/^(error|manifold): .+/)
    for (const { stderr } of ended) expect(stderr).not.toMatch(/\n\s+at /)
    expect(ended[0]?.stderr).toContain('Did you mean start?')
  })

  it('without a hub, commands that need one end with 69 and say how to start it', async () => {
    const lines = [
      ['status'],
      ['deliveries'],
      ['dead-letters', 'list', '--json'],
      ['replay', '--since', '2h'],
      ['send', 'contact', 'a=b'],
    ]
    const ended = await Promise.all(lines.map((args) => cli(...args)))
    expect(ended.map(({ code, stdout }) => [code, stdout])).toEqual(lines.map(() => [69, '']))
    for (const { stderr } of ended) expect(stderr).toContain('manifold start')
  })

  it('a hub.json whose process is gone does not count', async () => {
    await mkdir(temp.file('.manifold'))
    await writeFile(
      temp.file('.manifold/hub.json'),
      JSON.stringify({ url: 'http://127.0.0.1:1', pid: 2 ** 22 + 1, key: 'k', startedAt: 'x' }),
    )
    expect((await cli('status')).stderr).toContain('No hub runs on')
  })
})

describe('init and config', () => {
  it('init writes a file that is valid as it stands and names its schema; it replaces nothing unasked', async () => {
    expect(await cli('init')).toMatchObject({ code: 0, stdout: '' })
    const text = await readFile(temp.file('manifold.yaml'), 'utf8')
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./manifold.schema.json')
    expect(JSON.parse(await readFile(temp.file('manifold.schema.json'), 'utf8'))).toHaveProperty('$schema')
    const checked = await cli('config', 'check', '--json')
    expect(checked.code).toBe(0)
    expect(json(checked)).toMatchObject({ ok: true, refused: false, problems: [] })
    await writeFile(temp.file('manifold.yaml'), 'mine')
    expect((await cli('init')).code).toBe(1)
    expect(await readFile(temp.file('manifold.yaml'), 'utf8')).toBe('mine')
    expect((await cli('init', '--force')).code).toBe(0)
  })

  it('the commented example of init is right, too', async () => {
    await cli('init')
    const text = await readFile(temp.file('manifold.yaml'), 'utf8')
    const shown = text
      .replace('installations: []', 'installations:')
      .replace(/^#  ( *.*)$/gm, '  $1')
      .replace('url: https://crm.example/hooks', 'url: https://crm.example/hooks')
    await writeFile(temp.file('manifold.yaml'), shown)
    const { code, stdout, stderr } = await runCli(temp.path, ['config', 'check', '--json'], {
      env: { CRM_SECRET: 'whsec_bWFuaWZvbGQgdGVzdHMgb25seSAhIQ==' },
    })
    expect([code, stdout], stderr).toEqual([0, expect.stringContaining('"crm"')])
  })

  it('check lists every mistake with its place and ends with 78; one that is only set aside ends with 1', async () => {
    await writeFile(temp.file('manifold.yaml'), 'form: {}\ninstallations:\n  - { id: a, use: webhoks }\n')
    const broken = await cli('config', 'check')
    expect([broken.code, broken.stdout]).toEqual([
      78,
      'manifold.yaml:1:1 form unknown key "form" → did you mean "forms"?\nmanifold.yaml:3:19 installations[0].use there is no plugin "webhoks" → did you mean "webhooks"?\n',
    ])
    await writeFile(temp.file('manifold.yaml'), 'installations:\n  - { id: a, use: webhoks }\n')
    const aside = await cli('config', 'check', '--json')
    expect(aside.code).toBe(1)
    expect(json(aside)).toMatchObject({
      ok: false,
      refused: false,
      problems: [{ line: 2, column: 19, path: 'installations[0].use' }],
      set_aside: [{ id: 'a', state: 'invalid' }],
    })
    expect((await cli('config', 'check', '--config', 'nowhere.yaml')).code).toBe(78)
    const unnamed = await cli('config', 'check', 'nowhere.yaml')
    expect([unnamed.code, unnamed.stderr]).toEqual([
      2,
      expect.stringContaining('→ name the file with: --config nowhere.yaml'),
    ])
  })

  it('check tells a mistake in the code of a plugin where it is, seen from this folder', async () => {
    const manifest = { ...HELLO, id: 'hey' }
    await writePlugin(temp.file('mine'), 'hey', {
      manifest,
      code: "const one = 1\nexport default { on: { 'a': ( => {} }\n",
    })
    await writeFile(
      temp.file('manifold.yaml'),
      'pluginDirs: [mine]\ninstallations:\n  - { id: a, use: hey, with: { url: "http://a" } }\n',
    )
    const told = await cli('config', 'check')
    expect(told.code).toBe(1)
    expect(told.stdout).toMatch(/^mine\/hey\/index\.ts:2:\d+ of the plugin "hey", used by installation "a": \S/)
    expect(told.stdout).not.toContain('manifold.yaml')
    const shown = json(await cli('config', 'check', '--json')) as { problems: { file: string }[]; set_aside: object[] }
    expect(shown.problems[0]?.file).toBe(temp.file('mine/hey/index.ts'))
    expect(shown.set_aside).toMatchObject([{ id: 'a', reason: expect.stringMatching(/^hey\/index\.ts:2:\d+: /) }])
  })

  it('print fills in variables, and hides what is secret when asked', async () => {
    await writeFile(
      temp.file('manifold.yaml'),
      'installations:\n  - { id: a, use: webhooks, with: { url: "https://x.example", secret: "${S}" } }\n',
    )
    const env = { S: 'whsec_bWFuaWZvbGQgdGVzdHMgb25seSAhIQ==' }
    const open = await runCli(temp.path, ['config', 'print'], { env })
    expect(parse(open.stdout)).toMatchObject({ installations: [{ with: { secret: env.S } }] })
    const hidden = await runCli(temp.path, ['config', 'print', '--redacted', '--json'], { env })
    expect(json(hidden)).toMatchObject({ installations: [{ with: { url: 'https://x.example', secret: '***' } }] })
  })

  it('a broken file does not keep its author from the schema', async () => {
    await writeFile(temp.file('manifold.yaml'), 'form: {}\n')
    const { code, stdout } = await cli('config', 'schema')
    expect([code, stdout.includes('"webhooks"')]).toEqual([0, true])
  })
})

describe('plugins', () => {
  it('a new plugin works at once: manifest, code, names and its own tests', async () => {
    expect((await cli('plugin', 'new', 'my-hook')).code).toBe(0)
    const tested = await cli('plugin', 'test', 'my-plugins/my-hook', '--json')
    expect(tested.code, tested.stdout).toBe(0)
    expect((json(tested)['steps'] as { name: string; ok: boolean }[]).map(({ name, ok }) => [name, ok])).toEqual([
      ['manifest', true],
      ['settings schema', true],
      ['bundle', true],
      ['names in code and manifest', true],
      ['types.d.ts up to date', true],
      ['handles the events it asks for', true],
      ['declares what it uses', true],
      ['settles in time', true],
      ['leaves no timers behind', true],
      ['gives the same keys to the same event', true],
      ['repeats an interrupted action as the same one', true],
      ['fails with file and line', true],
      ['tests', true],
    ])
    await writeFile(
      temp.file('manifold.yaml'),
      'pluginDirs: [my-plugins]\ninstallations:\n  - { id: h, use: my-hook, with: { url: "https://x.example/hook", token: t } }\n',
    )
    expect((await cli('config', 'check')).code).toBe(0)
    // Where npm would put a package that is installed from here, though a folder above is a package, too.
    await writeFile(temp.file('package.json'), '{}')
    const { stdout: prefix } = await promisify(execFile)('npm', ['prefix'], { cwd: temp.file('my-plugins/my-hook') })
    expect(await realpath(prefix.trim())).toBe(await realpath(temp.file('my-plugins/my-hook')))
    // As its README says it, in its folder.
    const here = { cwd: temp.file('my-plugins/my-hook') }
    const told = await promisify(execFile)(
      'npm',
      ['run', '-s', 'manifold', '--', 'plugin', 'info', 'nobody'],
      here,
    ).catch((error: { code: number; stderr: string }) => error)
    expect(told).toMatchObject({ code: 1, stderr: expect.stringContaining('nobody') })
    expect((await cli('plugin', 'new', 'my-hook')).code).toBe(1)
    expect((await cli('plugin', 'new', '../evil')).code).toBe(2)
  })

  it('types follow the manifest: written, checked, and told when they are old', async () => {
    await cli('plugin', 'new', 'typed')
    const dir = 'my-plugins/typed'
    expect((await cli('plugin', 'types', dir, '--check')).code).toBe(0)
    const file = temp.file(`${dir}/plugin.json`)
    await writeFile(file, (await readFile(file, 'utf8')).replace('"token": {', '"secretToken": {'))
    const old = await cli('plugin', 'types', dir, '--check')
    expect([old.code, old.stderr]).toEqual([1, expect.stringContaining('types.d.ts is not what plugin.json says')])
    const tested = await cli('plugin', 'test', dir)
    expect([tested.code, tested.stdout]).toEqual([
      1,
      expect.stringContaining('✖ types.d.ts up to date: types.d.ts is not what'),
    ])
    expect((await cli('plugin', 'types', dir)).code).toBe(0)
    expect(await readFile(temp.file(`${dir}/types.d.ts`), 'utf8')).toContain('readonly secretToken?: SecretRef')
    expect((await cli('plugin', 'types', 'nowhere')).stderr).toContain('There is no folder nowhere')
  })

  it('test tells names that differ, code that cannot be bundled, and tests that fail', async () => {
    const dir = await writePlugin(temp.path, 'hello', { manifest: { ...HELLO, actions: { send: {} } } })
    const names = await cli('plugin', 'test', 'hello')
    expect([names.code, names.stdout]).toEqual([
      1,
      expect.stringContaining(
        '✖ names in code and manifest: hello: plugin.json declares actions "send", the code does not define it; the code defines actions "post"',
      ),
    ])
    expect(names.stdout).toContain('✖ tests: not run: mend first what is above')
    await writePlugin(temp.path, 'hello')
    await writeFile(
      join(dir, 'a.test.ts'),
      "import test from 'node:test'\ntest('no', () => { throw new Error('as planned') })\n",
    )
    const failing = await cli('plugin', 'test', 'hello')
    expect([failing.code, failing.stdout]).toEqual([1, expect.stringContaining('as planned')])
    await writeFile(join(dir, 'a.test.ts'), "import test from 'node:test'\ntest('yes', () => {})\n")
    await writeFile(join(dir, 'b.test.ts'), "import { test } from 'vitest'\ntest('no', () => {})\n")
    const partly = await cli('plugin', 'test', 'hello')
    expect([partly.code, partly.stdout]).toEqual([
      0,
      expect.stringMatching(/a\.test\.ts; not run, .*vitest: b\.test\.ts/),
    ])
    await writeFile(join(dir, 'a.test.ts'), "import test from 'node:test'\ntest('hangs', () => { for (;;); })\n")
    const hanging = await cli('plugin', 'test', 'hello', '--timeout', '1s')
    expect([hanging.code, hanging.stdout]).toEqual([
      1,
      expect.stringMatching(
        /✖ tests: the plugin's own tests were ended after 1 s[^]*Interrupted while running[^]*a\.test\.ts/,
      ),
    ])
    expect((await cli('plugin', 'test', 'hello', '--timeout', 'soon')).code).toBe(2)
    await writePlugin(temp.path, 'hello', { code: "import fs from 'node:fs'\nexport default fs\n" })
    expect((await cli('plugin', 'test', 'hello')).stdout).toContain(
      '✖ bundle: Plugin hello cannot be bundled: index.ts:1:',
    )
    await writePlugin(temp.path, 'hello', { manifest: '{}' })
    expect((await cli('plugin', 'test', 'hello')).stdout).toMatch(/✖ manifest: .*plugin\.json#\/id: "id" is missing/)
  })

  it('an id that is taken is refused before anything is made, and init names a free one', async () => {
    const { code, stderr } = await cli('plugin', 'new', 'webhooks')
    expect([code, stderr]).toEqual([1, expect.stringContaining('The id "webhooks" is taken by ')])
    expect(existsSync(temp.file('my-plugins'))).toBe(false)
    await cli('init')
    const [, named = ''] = /plugin new ([a-z-]+)/.exec(await readFile(temp.file('manifold.yaml'), 'utf8')) ?? []
    expect((await cli('plugin', 'new', named)).code).toBe(0)
  })

  it('info reads a folder that no configuration names yet, and says how a hub finds it', async () => {
    await cli('plugin', 'new', 'fresh')
    const byFolder = await cli('plugin', 'info', 'my-plugins/fresh')
    expect([byFolder.code, byFolder.stderr]).toEqual([0, ''])
    expect(byFolder.stdout).toContain('http host @config.url')
    const byId = await cli('plugin', 'info', 'fresh')
    expect([byId.code, byId.stderr]).toEqual([1, expect.stringContaining('pluginDirs')])
    expect((await cli('plugin', 'info', './nowhere')).stderr).toContain('There is no folder ./nowhere')
  })

  it('list and info tell what there is, broken ones too', async () => {
    await writePlugin(temp.file('mine'), 'hey', { manifest: { ...HELLO, id: 'hey' } })
    await writePlugin(temp.file('mine'), 'bad', { manifest: '{' })
    await writeFile(
      temp.file('manifold.yaml'),
      'pluginDirs: [mine]\ninstallations:\n  - { id: one, use: hey, with: { url: "http://a.example" } }\n',
    )
    const { items } = json(await cli('plugin', 'list', '--json')) as {
      items: { id: string; state: string; used_by: string[] }[]
    }
    expect(items.filter(({ id }) => id === 'hey' || id === 'bad')).toMatchObject([
      { id: 'bad', state: 'broken' },
      { id: 'hey', state: 'ready', origin: 'community', used_by: ['one'] },
    ])
    const info = json(await cli('plugin', 'info', 'hey', '--json'))
    expect(info).toMatchObject({
      id: 'hey',
      actions: { post: {} },
      grants: expect.arrayContaining(['http host @config.url']),
    })
    expect((await cli('plugin', 'info', 'hey')).stdout).toMatch(/url +uri +yes/)
    // Generated from the schema, however deep it goes.
    const nested = (await cli('plugin', 'info', 'google-sheets')).stdout
    expect(nested).toMatch(/^credentials\.private_key +secret +yes +- +PEM/m)
    expect(nested).toMatch(/^columns\[\]\.type +"text" or "number" or .* no +"text"/m)
    expect((await cli('plugin', 'info', 'salesforce')).stdout).toMatch(/^fields\.\*\.maxLength +integer +no/m)
    expect(await cli('plugin', 'info', 'bad')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not valid JSON'),
    })
    expect((await cli('plugin', 'info', 'hez')).code).toBe(1)
  })

  it('looking grants nothing; approve does', async () => {
    await writePlugin(temp.file('mine'), 'hey', { manifest: { ...HELLO, id: 'hey' } })
    await writeFile(
      temp.file('manifold.yaml'),
      'pluginDirs: [mine]\ninstallations:\n  - { id: one, use: hey, with: { url: "http://a.example" } }\n',
    )
    await cli('plugin', 'list')
    await expect(readFile(temp.file('.manifold/manifold.lock.json'), 'utf8')).rejects.toThrow()
    const asked = await cli('plugin', 'approve', 'hey')
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringMatching(/\+ http host @config\.url[^]*say --yes/)])
    await expect(readFile(temp.file('.manifold/manifold.lock.json'), 'utf8')).rejects.toThrow()
    const approved = await cli('plugin', 'approve', 'hey', '--yes')
    expect([approved.code, approved.stderr]).toEqual([0, expect.stringContaining('+ http host @config.url')])
    await writePlugin(temp.file('mine'), 'hey', {
      manifest: { ...HELLO, id: 'hey', version: '2.0.0', permissions: { kv: true } },
    })
    const { items } = json(await cli('plugin', 'list', '--json')) as {
      items: { id: string; state: string; problems: string[] }[]
    }
    expect(items.find(({ id }) => id === 'hey')).toMatchObject({
      state: 'needs-approval',
      problems: ['+ kv', '- http host @config.url', '- http method POST'],
    })
    expect(json(await cli('plugin', 'approve', 'hey', '--yes', '--json'))).toMatchObject({
      approved: true,
      version: '2.0.0',
    })
    expect(json(await cli('plugin', 'approve', 'hey', '--json'))).toMatchObject({ approved: false })
  })
})

it('openapi prints the description', async () => {
  expect(json(await cli('openapi'))).toMatchObject({ openapi: expect.stringMatching(/^3\.1/) })
})
