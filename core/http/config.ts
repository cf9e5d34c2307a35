/** `/api/v2/config`: the running configuration beside the file on disk, as a whole and setting by setting. */
import { z } from '@hono/zod-openapi'
import type { ConfigLine } from '../registry/config-lines.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { HttpDeps } from './deps.ts'
import { json, readBodyAs, readQuery } from './route.ts'
import type { Route } from './route.ts'
import { readJson } from './body.ts'

const problemSchema = z.object({
  path: z.string(),
  file: z.string().openapi({ description: 'The configuration, or a file of a plugin.' }),
  line: z.number().int(),
  column: z.number().int(),
  message: z.string(),
  hint: z.string().nullable(),
})

const configSchema = z.object({
  file: z.string().nullable(),
  running_checksum: z.string(),
  disk_checksum: z.string().nullable(),
  in_step: z.boolean().openapi({ description: 'The file on disk is what runs.' }),
  loaded_at: z.string(),
  problems: z.array(problemSchema).openapi({ description: 'Why the file on disk is not what runs.' }),
  needs_start: z.boolean().openapi({ description: 'The file on disk runs, but for `problems`: at the next start' }),
  warnings: z.array(problemSchema).openapi({ description: 'Of the file that runs: allowed, and most likely slips.' }),
})

const spotSchema = z.object({
  value: z.unknown().openapi({
    description:
      'As it was typed, `${NAME}` included; `***` for what is secret. A list or mapping only where it is empty',
  }),
  line: z.number().int(),
  column: z.number().int(),
})

const settingSchema = z
  .object({
    name: z.string().openapi({ description: 'With ids where lists have them: `installations.crm.with.url`' }),
    on_disk: z.enum(['same', 'changed', 'gone', 'new']),
    running: spotSchema.nullable().openapi({ description: 'null: it is new on disk' }),
    disk: spotSchema.nullable().openapi({ description: 'null: it is gone, or the file is no YAML' }),
  })
  .openapi('ConfigSetting')

const settingsQuery = z.object({
  installation: z.string().max(100).optional().openapi({ description: 'Only its settings' }),
  form: z.string().max(100).optional().openapi({ description: 'Only its settings' }),
})

const settingsSchema = z.object({
  file: z.string().nullable(),
  readable: z.boolean().openapi({ description: 'The file on disk is YAML' }),
  items: z.array(settingSchema),
  piece: z.unknown().openapi({ description: 'What `yaml` says, as data' }),
  yaml: z.string().nullable().openapi({
    description: 'The installation or form that was asked for, as a piece of the file; null: it does not stand there',
  }),
})

const settingWire = ({ name, onDisk, running, disk }: ConfigLine): z.output<typeof settingSchema> => ({
  name,
  on_disk: onDisk,
  running,
  disk,
})

/** Every route of the configuration. */
export const configRoutes = (deps: Pick<HttpDeps, 'config' | 'limits'>): Route[] => [
  statusRoute(deps),
  settingsRoute(deps),
  checkRoute(deps),
]

const statusRoute = ({ config }: Pick<HttpDeps, 'config'>): Route => ({
  method: 'GET',
  path: '/api/v2/config',
  access: 'admin',
  doc: {
    tag: 'Operation',
    summary: 'The running configuration beside the file on disk',
    description:
      'One file is of all workspaces: what is wrong in it, and where it is, is shown to the workspace `default`.',
    responses: { 200: { description: 'Status', schema: configSchema } },
  },
  handler: async (call) => {
    const status = await config.status()
    const isShown = call.principal.workspace === DEFAULT_WORKSPACE
    return json(call, {
      file: isShown ? status.file : null,
      running_checksum: status.runningChecksum,
      disk_checksum: status.diskChecksum,
      in_step: status.file === null || status.diskChecksum === status.runningChecksum,
      loaded_at: status.loadedAt,
      problems: isShown ? status.problems.map((problem) => ({ ...problem })) : [],
      needs_start: status.needsStart,
      warnings: isShown ? status.warnings.map((warning) => ({ ...warning })) : [],
    })
  },
})

const settingsRoute = ({ config }: Pick<HttpDeps, 'config'>): Route => ({
  method: 'GET',
  path: '/api/v2/config/settings',
  access: 'admin',
  doc: {
    tag: 'Operation',
    summary: 'Each setting of the file with its line, as it runs and as it is on disk',
    description:
      'Of the workspace of the key; what belongs to no form and no installation is shown to the workspace `default`.',
    query: settingsQuery,
    responses: { 200: { description: 'The settings, in the order of the file that runs', schema: settingsSchema } },
  },
  handler: async (call) => {
    const { installation, form } = readQuery(call, settingsQuery)
    const of =
      installation !== undefined
        ? ({ kind: 'installation', id: installation } as const)
        : form === undefined
          ? undefined
          : ({ kind: 'form', id: form } as const)
    const found = await config.lines({ workspace: call.principal.workspace, of })
    return json(call, {
      file: found.file,
      readable: found.isReadable,
      items: found.lines.map(settingWire),
      piece: found.piece,
      yaml: found.yaml,
    })
  },
})

const checkBody = z.strictObject({
  installation: z
    .looseObject({ id: z.string().min(1).max(64), use: z.string().min(1).max(64) })
    .openapi({ description: 'As it would stand below `installations:`' }),
  replaces: z.boolean().default(false).openapi({ description: 'It takes the place of the one with its id' }),
})

const foundSchema = z.object({
  pointer: z.string().openapi({ description: 'Into the installation' }),
  message: z.string(),
  hint: z.string().nullable(),
})

const checkedSchema = z.object({
  problems: z.array(foundSchema).openapi({ description: 'Why it would be set aside; none: it would run' }),
  warnings: z.array(foundSchema).openapi({ description: 'Allowed, and most likely slips' }),
  yaml: z.string().openapi({ description: 'As a piece of the file' }),
})

const checkRoute = ({ config, limits }: Pick<HttpDeps, 'config' | 'limits'>): Route => ({
  method: 'POST',
  path: '/api/v2/config/check',
  access: 'admin',
  doc: {
    tag: 'Operation',
    summary: 'Hold an installation against everything the file would be, before it is written into it',
    description: 'Nothing is changed. `${NAME}` stands for a variable of the hub, as in the file.',
    body: {
      schema: checkBody,
      example: { installation: { id: 'crm', use: 'webhooks', with: { url: 'https://crm.example/in' } } },
    },
    responses: { 200: { description: 'What is wrong with it, and the piece itself', schema: checkedSchema } },
  },
  handler: async (call) => {
    const { body } = await readJson(call.incoming, limits)
    const { installation, replaces } = readBodyAs(body, checkBody)
    const found = await config.checkPiece({ workspace: call.principal.workspace, piece: installation, replaces })
    return json(call, { problems: [...found.problems], warnings: [...found.warnings], yaml: found.yaml })
  },
})
