/** A mail server by hand: `node integrations/email/fake/start.ts [--port N]` prints an installation that sends there, then each e-mail. */
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { startByHand } from '../../../test/support/by-hand.ts'

const mail = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS', 'AUTH'],
  disableReverseLookup: true,
  logger: false,
  onData: (stream, _session, done) => {
    stream.pipe(process.stdout, { end: false })
    stream.once('end', () => done(null))
  },
})
await startByHand(
  (port) => new Promise<void>((resolve, reject) => void mail.on('error', reject).listen(port, '127.0.0.1', resolve)),
)
const { port } = mail.server.address() as AddressInfo
process.stdout.write(`network: { allow: ["127.0.0.1/32"] }
email: { url: "smtp://127.0.0.1:${port}", from: "Forms <forms@example.org>", tls: none }
installations:
  - { id: mail, use: email, pii: true, with: { to: [you@example.org] } }
`)
