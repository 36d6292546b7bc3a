import type { Command, Entry } from "./command.ts";

type Named<Name> = Readonly<Record<string, readonly [name: Name, summary: string]>>;

/** Commands of one module: the words that call each, the name of its export, and its summary. */
function of<Name extends string>(
  module: () => Promise<Readonly<Record<Name, Command>>>,
  named: Named<Name>,
): readonly (readonly [string, Entry])[] {
  return Object.entries(named).map(([words, [name, summary]]) => [
    words,
    { summary, load: async () => (await module())[name] },
  ]);
}

/** Every command, by the words that call it. */
export const commands: ReadonlyMap<string, Entry> = new Map([
  ...of(() => import("./commands/secrets.ts"), {
    get: ["getCommand", "Print the value of a secret, and nothing else"],
  }),
  ...of(() => import("./commands/set.ts"), {
    set: ["setCommand", "Write a secret, from standard input or a prompt"],
    generate: ["generateCommand", "Write a secret that the server makes, without showing it"],
  }),
  ...of(() => import("./commands/secrets.ts"), {
    list: ["listCommand", "List a company's secrets, without their values"],
    remove: ["removeCommand", "Remove a secret"],
    removed: ["removedCommand", "List the removed secrets that can be restored"],
    restore: ["restoreCommand", "Bring a removed secret back"],
  }),
  ...of(() => import("./commands/versions.ts"), {
    versions: ["versionsCommand", "Show the versions of a secret, without their values"],
    rollback: ["rollbackCommand", "Make the value of an earlier version current again"],
  }),
  ...of(() => import("./commands/set.ts"), {
    stage: ["stageCommand", "Keep a next value beside the current one"],
  }),
  ...of(() => import("./commands/versions.ts"), {
    promote: ["promoteCommand", "Make the pending version the current one"],
    discard: ["discardCommand", "Destroy the pending version"],
    expire: ["expireCommand", "Say when a credential ends at its provider"],
    purge: ["purgeCommand", "Destroy every value of a removed secret for good"],
  }),
  ...of(() => import("./commands/import.ts"), {
    import: ["importCommand", "Write the secrets of a .env or JSON file, after showing what that changes"],
  }),
  ...of(() => import("./commands/export.ts"), {
    export: ["exportCommand", "Write all values to a .env or JSON file, encrypted or in the clear"],
  }),
  ...of(() => import("./commands/exports.ts"), {
    "exports list": ["listCommand", "List the encrypted exports of a company"],
    "exports receipt": ["receiptCommand", "Get the receipt of an encrypted export again"],
  }),
  ...of(() => import("./commands/check.ts"), {
    check: ["checkCommand", "Ask a provider whether a credential works"],
  }),
  ...of(() => import("./commands/companies.ts"), {
    "companies list": ["listCommand", "List the companies"],
    "companies get": ["getCommand", "Show one company"],
    "companies create": ["createCommand", "Create a company"],
    "companies rename": ["renameCommand", "Give a company another subdomain"],
    "companies set-recovery": ["setRecoveryCommand", "Set how long removed secrets can be restored"],
  }),
  ...of(() => import("./commands/external-key.ts"), {
    "companies external-key": ["showCommand", "Show the key that a company's keys are wrapped by"],
    "companies set-external-key": ["setCommand", "Have a company's keys wrapped by a key of its own"],
  }),
  ...of(() => import("./commands/companies.ts"), {
    "companies suspend": ["suspendCommand", "Shut a company's secrets, for everyone"],
    "companies resume": ["resumeCommand", "Open a suspended company again"],
  }),
  ...of(() => import("./commands/company-deletion.ts"), {
    "companies delete": ["deleteCommand", "Suspend a company, and delete it after some days"],
    "companies keep": ["keepCommand", "Undo the deletion of a company, before its date"],
    "companies deletion": ["deletionCommand", "Show the deletion of a company, and its receipt"],
  }),
  ...of(() => import("./commands/company-regions.ts"), {
    "companies regions list": ["listCommand", "List the regions that a company is copied to"],
    "companies regions add": ["addCommand", "Copy a company to another region"],
    "companies regions remove": ["removeCommand", "Delete a company's copies in another region"],
  }),
  ...of(() => import("./commands/search.ts"), {
    search: ["searchCommand", "Say whose a leaked value is"],
  }),
  ...of(() => import("./commands/members.ts"), {
    "members list": ["listCommand", "List the people who belong to a company"],
    "members add": ["addCommand", "Add a person to a company"],
  }),
  ...of(() => import("./commands/invitations.ts"), {
    "members invite": ["inviteCommand", "Invite a person to a company, by mail"],
  }),
  ...of(() => import("./commands/members.ts"), {
    "members role": ["roleCommand", "Give a member another role"],
    "members remove": ["removeCommand", "Take a person out of a company"],
  }),
  ...of(() => import("./commands/invitations.ts"), {
    "invitations list": ["listCommand", "List the open invitations of a company"],
    "invitations resend": ["resendCommand", "Mail another link of an invitation"],
    "invitations revoke": ["revokeCommand", "End an invitation"],
  }),
  ...of(() => import("./commands/users.ts"), {
    "users list": ["listCommand", "List the people of all companies"],
    "users disable": ["disableCommand", "Shut a person out, everywhere"],
    "users enable": ["enableCommand", "Let a person in again"],
  }),
  ...of(() => import("./commands/api-keys.ts"), {
    "api-keys create": ["createCommand", "Make an API key, and show it once"],
    "api-keys list": ["listCommand", "List the API keys that may enter a company"],
    "api-keys rotate": ["rotateCommand", "Make the next API key, and let the old one end"],
    "api-keys revoke": ["revokeCommand", "End an API key at once"],
  }),
  ...of(() => import("./commands/migrate.ts"), {
    "migrate plan": ["planCommand", "Say how companies' secrets would move, and what prevents it"],
    "migrate copy": ["copyCommand", "Fill the database from companies' folders in Infisical"],
    "migrate verify": ["verifyCommand", "Compare every value in Infisical and in the database"],
    "migrate switch": ["switchCommand", "Move companies to the hybrid store or the database"],
    "migrate rollback": ["rollbackCommand", "Move companies back to the hybrid store or to Infisical"],
  }),
  ...of(() => import("./commands/migrate-cleanup.ts"), {
    "migrate cleanup": ["cleanupCommand", "Remove old copies that changes of the store have left"],
  }),
  ...of(() => import("./commands/migrate-mirror.ts"), {
    "migrate mirror": ["mirrorCommand", "Write changes in the database to Infisical as well, or stop"],
  }),
  ...of(() => import("./commands/migrate-look.ts"), {
    "migrate status": ["statusCommand", "Show where companies' secrets are"],
    "migrate companies": ["companiesCommand", "Show the companies of a migration, with what was found"],
  }),
  ...of(() => import("./commands/migrate-report.ts"), {
    "migrate report": ["reportCommand", "Get the signed report of a migration"],
    "migrate verify-report": ["verifyReportCommand", "Check such a report"],
  }),
  ...of(() => import("./commands/import-legacy.ts"), {
    "import-legacy": ["importLegacyCommand", "Import the rows that the strategy's sample code encrypted"],
  }),
  ...of(() => import("./commands/keys.ts"), {
    "keys status": ["statusCommand", "Show the versions of the master key, and who has them loaded"],
    "keys rotate": ["rotateCommand", "Rotate the master key, or continue a rotation"],
    "keys report": ["reportCommand", "Get the report of a rotation again"],
    "keys verify-report": ["verifyReportCommand", "Check the report of a rotation"],
    "keys destroy": ["destroyCommand", "Destroy a retired version of the master key for good"],
  }),
  ...of(() => import("./commands/keys-sign-in.ts"), {
    "keys rotate-sign-in": ["rotateSignInCommand", "Make a new secret of the sign-in"],
  }),
  ...of(() => import("./commands/keys-backup.ts"), {
    "keys backups": ["listCommand", "List the known backups of the master keys"],
    "keys backup": ["backupCommand", "Write all master keys to an encrypted file"],
    "keys check-backup": ["checkCommand", "Compare a backup of the master keys with the registry"],
  }),
  ...of(() => import("./commands/keys-check-values.ts"), {
    "keys check-values": ["checkValuesCommand", "Decrypt every value in memory, and count"],
  }),
  ...of(() => import("./commands/keys-backup.ts"), {
    "keys restore": ["restoreCommand", "Put master keys from a backup back into Infisical"],
  }),
  ...of(() => import("./commands/keys-shred.ts"), {
    "keys shred": ["shredCommand", "Destroy a company's keys for good, and get a signed receipt"],
    "keys receipt": ["receiptCommand", "Get the receipt of a company that was shredded again"],
    "keys public-key": ["publicKeyCommand", "Print the public key that receipts are checked with"],
  }),
  ...of(() => import("./commands/keys-verify-receipt.ts"), {
    "keys verify-receipt": ["verifyReceiptCommand", "Check a receipt of any kind"],
  }),
  ...of(() => import("./commands/keys-company.ts"), {
    "keys rotate-company": ["rotateCompanyCommand", "Give a company a new key, and re-encrypt its values"],
  }),
  ...of(() => import("./commands/keys-emergency-rotate.ts"), {
    "keys emergency-rotate": [
      "emergencyRotateCommand",
      "Replace every key, and list the credentials to replace elsewhere",
    ],
  }),
  ...of(() => import("./commands/health.ts"), {
    health: ["healthCommand", "Show what works now"],
  }),
  ...of(() => import("./commands/runs.ts"), {
    "runs list": ["listCommand", "List rotations and other long work"],
    "runs show": ["showCommand", "Show how far a run is"],
    "runs pause": ["pauseCommand", "Stop a run between two steps"],
    "runs resume": ["resumeCommand", "Resume a run that was paused or has failed"],
    "runs cancel": ["cancelCommand", "End a run for good"],
  }),
  ...of(() => import("./commands/rotation.ts"), {
    "rotation show": ["showCommand", "Show how a company's secrets are rotated, and when"],
    "rotation set": ["setCommand", "Say how a secret is rotated, and when"],
    "rotation remove": ["removeCommand", "Rotate a secret no more"],
    "rotation pause": ["pauseCommand", "Let a secret's schedule wait"],
    "rotation resume": ["resumeCommand", "Rotate by schedule again, after a pause or failures"],
  }),
  ...of(() => import("./commands/rotation-runs.ts"), {
    "rotation now": ["nowCommand", "Rotate a secret now"],
    "rotation runs": ["runsCommand", "List a company's rotations, the newest first"],
    "rotation run": ["runCommand", "Show how far a rotation is, and what a person has to do"],
  }),
  ...of(() => import("./commands/rotation-people.ts"), {
    "rotation supply": ["supplyCommand", "Enter the value that a person made for a rotation"],
    "rotation confirm": ["confirmCommand", "Say that the old credential was ended at the provider"],
    "rotation end-orphan": ["endOrphanCommand", "Say that a credential left at the provider was ended"],
    "rotation abort": ["abortCommand", "End a rotation before its value is current"],
    "rotation fall-back": ["fallBackCommand", "Make the value before a rotation current again"],
  }),
  ...of(() => import("./commands/webhooks.ts"), {
    "webhooks list": ["listCommand", "List webhook endpoints, with what waits for each"],
    "webhooks types": ["typesCommand", "List what an endpoint can be notified of"],
    "webhooks add": ["addCommand", "Add a webhook endpoint, and show its secret once"],
    "webhooks update": ["updateCommand", "Change a webhook endpoint"],
    "webhooks roll": ["rollCommand", "Give an endpoint its next secret, and show it once"],
    "webhooks pause": ["pauseCommand", "Let the notifications of an endpoint wait"],
    "webhooks resume": ["resumeCommand", "Send to an endpoint again"],
    "webhooks remove": ["removeCommand", "Remove a webhook endpoint"],
  }),
  ...of(() => import("./commands/webhook-deliveries.ts"), {
    "webhooks test": ["testCommand", "Send a test to an endpoint, and show how that went"],
    "webhooks log": ["logCommand", "Show what was sent to endpoints, and what waits"],
    "webhooks replay": ["replayCommand", "Send notifications again"],
  }),
  ...of(() => import("./commands/webhook-listen.ts"), {
    "webhooks listen": ["listenCommand", "Receive notifications on this machine, verify and print them"],
  }),
  ...of(() => import("./commands/audit.ts"), {
    "audit list": ["listCommand", "Show the audit log, the newest events first"],
  }),
  ...of(() => import("./commands/audit-summary.ts"), {
    "audit summary": ["summaryCommand", "Count what was done in a company, by hour or day"],
    "audit proof": ["proofCommand", "Show how far the audit log is sealed and verified"],
  }),
  ...of(() => import("./commands/audit-verify.ts"), {
    "audit verify": ["verifyCommand", "Check that nothing in the audit log was changed, removed or inserted"],
  }),
  ...of(() => import("./commands/audit-failover.ts"), {
    "audit acknowledge-failover": ["acknowledgeCommand", "Acknowledge what the audit log lost in a failover"],
  }),
  ...of(() => import("./commands/audit-export.ts"), {
    "audit export": ["exportCommand", "Write a company's events to a file, each with its proof"],
    "audit verify-export": ["verifyExportCommand", "Check such a file"],
  }),
  ...of(() => import("./commands/audit.ts"), {
    "audit public-key": ["publicKeyCommand", "Print the public keys that the audit log is checked with"],
  }),
  ...of(() => import("./commands/operators.ts"), {
    "operators create": ["createCommand", "Make an operator, and show the token once"],
    "operators link": ["linkCommand", "Let a person act as an operator in the browser"],
    "operators unlink": ["unlinkCommand", "End a person's link at once"],
    "operators list": ["listCommand", "List the operators"],
    "operators revoke": ["revokeCommand", "End an operator's token or link at once"],
  }),
  ...of(() => import("./commands/moves.ts"), {
    "companies move": ["moveCommand", "Make another region the home of a company"],
    "companies take-over": ["takeOverCommand", "Make this region the home of a company whose home is lost"],
    "companies leave": ["leaveCommand", "Delete what is left of a company in the region that was its home"],
  }),
  ...of(() => import("./commands/regions.ts"), {
    "regions identity": ["identityCommand", "Print what another region has to know of this one"],
    "regions list": ["listCommand", "List the other regions that are known here"],
    "regions status": ["statusCommand", "Show how copies fare between this region and others"],
    "regions receipts": [
      "receiptsCommand",
      "List the companies that are gone from this region, with signed receipts",
    ],
    "regions add": ["addCommand", "Make another region known here"],
    "regions remove": ["removeCommand", "Forget another region"],
  }),
  ...of(() => import("./commands/region-verify.ts"), {
    "regions verify": ["verifyRegionCommand", "Check what this region has of companies, and sign it"],
    "regions verify-report": [
      "verifyRegionReportCommand",
      "Check a region's signed report without a database",
    ],
  }),
  ...of(() => import("./commands/region-servers.ts"), {
    "regions publish": ["publishCommand", "Let an export read the copies for another region"],
    "regions connect": ["connectCommand", "Set up the server that another region takes its copies from"],
    "regions subscribe": ["subscribeCommand", "Take the copies that another region has for this one"],
    "regions resync": ["resyncCommand", "Take all copies from another region once more"],
    "regions resync-export": ["resyncExportCommand", "Take all copies to the export once more"],
    "regions unsubscribe": ["unsubscribeCommand", "Take no more copies from another region, and delete them"],
    "regions disconnect": ["disconnectCommand", "End what another region takes its copies from"],
  }),
  ...of(() => import("./commands/approvals.ts"), {
    "approvals list": ["listCommand", "Show what operators have asked each other to approve"],
    "approvals give": ["giveCommand", "Approve a request of another operator"],
    "approvals refuse": ["refuseCommand", "Refuse a request, or withdraw your own"],
  }),
  ...of(() => import("./commands/database.ts"), {
    "database provision": ["provisionCommand", "Make the database and its five roles on a PostgreSQL server"],
    "database migrate": ["migrateCommand", "Bring the tables to the version of this release"],
    "database status": ["statusCommand", "Show the versions of this release and of the tables"],
  }),
]);
