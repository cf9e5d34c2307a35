/** One installation of a workspace sends to its hooks: a second one is set aside, since each would send everything. */
import { expect, test } from 'vitest'
import { formatProblem } from '../../core/config/format-problems.ts'
import { loadConfig } from '../../core/config/load.ts'

const carrier = (id: string) => ({ id, carriesHooks: true, checkWith: () => [] })

test('a second one that would send to hooks is set aside, whatever its plugin; another workspace has its own', async () => {
  const text = `installations:
  - { id: first, use: zapier }
  - { id: elsewhere, use: zapier, workspace: other }
  - { id: fork, use: zapier-fork }
  - { id: again, use: zapier, workspace: other }
  - { id: crm, use: webhooks }
`
  const plugins = [carrier('zapier'), carrier('zapier-fork'), { id: 'webhooks', checkWith: () => [] }]
  const loaded = await loadConfig({ file: null, text, env: {}, plugins })
  if ('problems' in loaded) throw new Error('the file was refused')
  const { installations, quarantined } = loaded.config
  expect(installations.map(({ id }) => id)).toEqual(['first', 'elsewhere', 'crm'])
  const said = quarantined.flatMap(({ problems }) => problems.map((problem) => formatProblem(problem, process.cwd())))
  const taken = 'the hooks of the workspace are sent to by another installation already'
  const rest = 'each would get everything twice → one is enough for all programs; remove this one'
  expect(said).toEqual([
    `(no file):4:22 installations[2].use ${taken} (line 2): ${rest}`,
    `(no file):5:23 installations[3].use ${taken} (line 3): ${rest}`,
  ])
})
