/** `manifold init`: a commented manifold.yaml that is valid as it stands, and the schema its first line names. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { editorSchema } from '../config/schema.ts'
import { discoverPlugins, rootsOf } from '../registry/discover.ts'
import type { Run } from './call.ts'
import { CliError } from './exit-codes.ts'

const SCHEMA_FILE = 'manifold.schema.json'

export const run: Run = async (call) => {
  const file = resolve(call.args[0] ?? 'manifold.yaml')
  const schema = join(dirname(file), SCHEMA_FILE)
  for (const path of [file, schema]) {
    if (existsSync(path) && !call.options['force'])
      throw new CliError('failed', `${path} exists.`, 'replace it with --force')
  }
  const { found } = await discoverPlugins(rootsOf([]))
  await writeFile(schema, `${JSON.stringify(editorSchema(found.map(({ manifest }) => manifest)), null, 2)}\n`)
  await writeFile(file, starterConfig())
  call.terminal.say(`Wrote ${relative(process.cwd(), file) || file} and ${basename(schema)}.`)
  call.terminal.say('Next: manifold start    then: manifold send contact email=you@example.com message=Hello')
}

/** What `init` writes. */
export const starterConfig = (): string => `# yaml-language-server: $schema=./${SCHEMA_FILE}
# Manifold's configuration. The hub reads it again when it is saved; a mistake never replaces what runs.
# \${NAME}, \${NAME:-default} and \${NAME:?message} come from the environment, in values only. "$$" is one dollar.
version: 1

# Forms people may fill in. The API shows them read-only; more can be made there.
forms:
  contact:
    name: Contact us
    fields:
      - { key: email, label: Your e-mail address, type: email, required: true, pii: true }
      - { key: topic, label: What is it about?, type: select, options: [Sales, Support, Other] }
      - { key: message, label: Your message, type: long_text, required: true }

# Private addresses (CIDR) that plugins may reach. None unless you list them.
network:
  allow: []                          # e.g. [127.0.0.1/32] to try a receiver on this machine

# The mail server of plugins that send e-mail (\`use: email\`, \`email-acknowledgement\`, \`daily-digest\`).
email: null                          # { url: "smtp://forms:\${SMTP_PASSWORD}@mail.example.org:587", from: Forms <forms@example.org> }

# Configured uses of plugins. \`manifold plugin list\` shows them, \`manifold plugin info webhooks\` their settings.
installations: []
#  - id: crm                         # keep it: what was handled hangs on this name
#    use: webhooks
#    when:
#      form: contact
#      filter: { data.topic: Sales } # $eq $ne $gt $gte $lt $lte $in $nin $exists $regex $and $or $not
#    with:
#      url: https://crm.example/hooks
#      secret: "\${CRM_SECRET}"
#    pii: true                       # may it see fields marked pii? a list names some
#    retry: { preset: standard }     # or default, or { schedule: [1s, 5s, 30s, 5m, 30m] }
#    rate: 10/s
#    isolation: own                  # a process for it alone; its group shares one otherwise
#    hardened: true                  # without V8's compilers: slower, safer
#    from: beginning                 # a new installation starts now unless it says from when

# More folders with plugins, relative to this file: \`manifold plugin new greeter\` makes my-plugins/greeter.
pluginDirs: []
`
