import type { Entry } from "./command.ts";

/** Every command, by the words that call it. */
export const commands: ReadonlyMap<string, Entry> = new Map(
  Object.entries<Entry>({
    get: {
      summary: "Print the value of a secret, and nothing else",
      load: async () => (await import("./commands/secrets.ts")).getCommand,
    },
    set: {
      summary: "Write a secret, from standard input or a prompt",
      load: async () => (await import("./commands/set.ts")).setCommand,
    },
    generate: {
      summary: "Write a secret that the server makes, without showing it",
      load: async () => (await import("./commands/set.ts")).generateCommand,
    },
    list: {
      summary: "List a company's secrets, without their values",
      load: async () => (await import("./commands/secrets.ts")).listCommand,
    },
    remove: {
      summary: "Remove a secret",
      load: async () => (await import("./commands/secrets.ts")).removeCommand,
    },
    removed: {
      summary: "List the removed secrets that can be restored",
      load: async () => (await import("./commands/secrets.ts")).removedCommand,
    },
    restore: {
      summary: "Bring a removed secret back",
      load: async () => (await import("./commands/secrets.ts")).restoreCommand,
    },
    versions: {
      summary: "Show the versions of a secret, without their values",
      load: async () => (await import("./commands/versions.ts")).versionsCommand,
    },
    rollback: {
      summary: "Make the value of an earlier version current again",
      load: async () => (await import("./commands/versions.ts")).rollbackCommand,
    },
    stage: {
      summary: "Keep a next value beside the current one",
      load: async () => (await import("./commands/set.ts")).stageCommand,
    },
    promote: {
      summary: "Make the pending version the current one",
      load: async () => (await import("./commands/versions.ts")).promoteCommand,
    },
    discard: {
      summary: "Destroy the pending version",
      load: async () => (await import("./commands/versions.ts")).discardCommand,
    },
    expire: {
      summary: "Say when a credential ends at its provider",
      load: async () => (await import("./commands/versions.ts")).expireCommand,
    },
    purge: {
      summary: "Destroy every value of a removed secret for good",
      load: async () => (await import("./commands/versions.ts")).purgeCommand,
    },
    import: {
      summary: "Write the secrets of a .env or JSON file, after showing what that changes",
      load: async () => (await import("./commands/import.ts")).importCommand,
    },
    export: {
      summary: "Write all values to a .env or JSON file",
      load: async () => (await import("./commands/export.ts")).exportCommand,
    },
    check: {
      summary: "Ask a provider whether a credential works",
      load: async () => (await import("./commands/check.ts")).checkCommand,
    },
    "companies list": {
      summary: "List the companies",
      load: async () => (await import("./commands/companies.ts")).listCommand,
    },
    "companies get": {
      summary: "Show one company",
      load: async () => (await import("./commands/companies.ts")).getCommand,
    },
    "companies create": {
      summary: "Create a company",
      load: async () => (await import("./commands/companies.ts")).createCommand,
    },
    "companies rename": {
      summary: "Give a company another subdomain",
      load: async () => (await import("./commands/companies.ts")).renameCommand,
    },
    "companies set-recovery": {
      summary: "Set how long removed secrets can be restored",
      load: async () => (await import("./commands/companies.ts")).setRecoveryCommand,
    },
    "companies suspend": {
      summary: "Shut a company's secrets, for everyone",
      load: async () => (await import("./commands/companies.ts")).suspendCommand,
    },
    "companies resume": {
      summary: "Open a suspended company again",
      load: async () => (await import("./commands/companies.ts")).resumeCommand,
    },
    "companies delete": {
      summary: "Suspend a company, and delete it after some days",
      load: async () => (await import("./commands/company-deletion.ts")).deleteCommand,
    },
    "companies keep": {
      summary: "Undo the deletion of a company, before its date",
      load: async () => (await import("./commands/company-deletion.ts")).keepCommand,
    },
    "companies deletion": {
      summary: "Show the deletion of a company, and its receipt",
      load: async () => (await import("./commands/company-deletion.ts")).deletionCommand,
    },
    "companies regions list": {
      summary: "List the regions that a company is copied to",
      load: async () => (await import("./commands/company-regions.ts")).listCommand,
    },
    "companies regions add": {
      summary: "Copy a company to another region",
      load: async () => (await import("./commands/company-regions.ts")).addCommand,
    },
    "companies regions remove": {
      summary: "Delete a company's copies in another region",
      load: async () => (await import("./commands/company-regions.ts")).removeCommand,
    },
    search: {
      summary: "Say whose a leaked value is",
      load: async () => (await import("./commands/search.ts")).searchCommand,
    },
    "members list": {
      summary: "List the people who belong to a company",
      load: async () => (await import("./commands/members.ts")).listCommand,
    },
    "members add": {
      summary: "Add a person to a company",
      load: async () => (await import("./commands/members.ts")).addCommand,
    },
    "members invite": {
      summary: "Invite a person to a company, by mail",
      load: async () => (await import("./commands/invitations.ts")).inviteCommand,
    },
    "members role": {
      summary: "Give a member another role",
      load: async () => (await import("./commands/members.ts")).roleCommand,
    },
    "members remove": {
      summary: "Take a person out of a company",
      load: async () => (await import("./commands/members.ts")).removeCommand,
    },
    "invitations list": {
      summary: "List the open invitations of a company",
      load: async () => (await import("./commands/invitations.ts")).listCommand,
    },
    "invitations resend": {
      summary: "Mail another link of an invitation",
      load: async () => (await import("./commands/invitations.ts")).resendCommand,
    },
    "invitations revoke": {
      summary: "End an invitation",
      load: async () => (await import("./commands/invitations.ts")).revokeCommand,
    },
    "users list": {
      summary: "List the people of all companies",
      load: async () => (await import("./commands/users.ts")).listCommand,
    },
    "users disable": {
      summary: "Shut a person out, everywhere",
      load: async () => (await import("./commands/users.ts")).disableCommand,
    },
    "users enable": {
      summary: "Let a person in again",
      load: async () => (await import("./commands/users.ts")).enableCommand,
    },
    "api-keys create": {
      summary: "Make an API key, and show it once",
      load: async () => (await import("./commands/api-keys.ts")).createCommand,
    },
    "api-keys list": {
      summary: "List the API keys that may enter a company",
      load: async () => (await import("./commands/api-keys.ts")).listCommand,
    },
    "api-keys rotate": {
      summary: "Make the next API key, and let the old one end",
      load: async () => (await import("./commands/api-keys.ts")).rotateCommand,
    },
    "api-keys revoke": {
      summary: "End an API key at once",
      load: async () => (await import("./commands/api-keys.ts")).revokeCommand,
    },
    "migrate plan": {
      summary: "Say how companies' secrets would move, and what prevents it",
      load: async () => (await import("./commands/migrate.ts")).planCommand,
    },
    "migrate copy": {
      summary: "Fill the database from companies' folders in Infisical",
      load: async () => (await import("./commands/migrate.ts")).copyCommand,
    },
    "migrate verify": {
      summary: "Compare every value in Infisical and in the database",
      load: async () => (await import("./commands/migrate.ts")).verifyCommand,
    },
    "migrate switch": {
      summary: "Move companies to the hybrid store or the database",
      load: async () => (await import("./commands/migrate.ts")).switchCommand,
    },
    "migrate rollback": {
      summary: "Move companies back to the hybrid store or to Infisical",
      load: async () => (await import("./commands/migrate.ts")).rollbackCommand,
    },
    "migrate cleanup": {
      summary: "Remove old copies that changes of the store have left",
      load: async () => (await import("./commands/migrate-cleanup.ts")).cleanupCommand,
    },
    "migrate mirror": {
      summary: "Write changes in the database to Infisical as well, or stop",
      load: async () => (await import("./commands/migrate-mirror.ts")).mirrorCommand,
    },
    "migrate status": {
      summary: "Show where companies' secrets are",
      load: async () => (await import("./commands/migrate-look.ts")).statusCommand,
    },
    "migrate companies": {
      summary: "Show the companies of a migration, with what was found",
      load: async () => (await import("./commands/migrate-look.ts")).companiesCommand,
    },
    "migrate report": {
      summary: "Get the signed report of a migration",
      load: async () => (await import("./commands/migrate-report.ts")).reportCommand,
    },
    "migrate verify-report": {
      summary: "Check such a report",
      load: async () => (await import("./commands/migrate-report.ts")).verifyReportCommand,
    },
    "import-legacy": {
      summary: "Import the rows that the strategy's sample code encrypted",
      load: async () => (await import("./commands/import-legacy.ts")).importLegacyCommand,
    },
    "keys status": {
      summary: "Show the versions of the master key, and who has them loaded",
      load: async () => (await import("./commands/keys.ts")).statusCommand,
    },
    "keys rotate": {
      summary: "Rotate the master key, or continue a rotation",
      load: async () => (await import("./commands/keys.ts")).rotateCommand,
    },
    "keys report": {
      summary: "Get the report of a rotation again",
      load: async () => (await import("./commands/keys.ts")).reportCommand,
    },
    "keys verify-report": {
      summary: "Check the report of a rotation",
      load: async () => (await import("./commands/keys.ts")).verifyReportCommand,
    },
    "keys destroy": {
      summary: "Destroy a retired version of the master key for good",
      load: async () => (await import("./commands/keys.ts")).destroyCommand,
    },
    "keys rotate-sign-in": {
      summary: "Make a new secret of the sign-in",
      load: async () => (await import("./commands/keys-sign-in.ts")).rotateSignInCommand,
    },
    "keys backups": {
      summary: "List the known backups of the master keys",
      load: async () => (await import("./commands/keys-backup.ts")).listCommand,
    },
    "keys backup": {
      summary: "Write all master keys to an encrypted file",
      load: async () => (await import("./commands/keys-backup.ts")).backupCommand,
    },
    "keys check-backup": {
      summary: "Compare a backup of the master keys with the registry",
      load: async () => (await import("./commands/keys-backup.ts")).checkCommand,
    },
    "keys check-values": {
      summary: "Decrypt every value in memory, and count",
      load: async () => (await import("./commands/keys-check-values.ts")).checkValuesCommand,
    },
    "keys restore": {
      summary: "Put master keys from a backup back into Infisical",
      load: async () => (await import("./commands/keys-backup.ts")).restoreCommand,
    },
    "keys shred": {
      summary: "Destroy a company's keys for good, and get a signed receipt",
      load: async () => (await import("./commands/keys-shred.ts")).shredCommand,
    },
    "keys receipt": {
      summary: "Get the receipt of a company that was shredded again",
      load: async () => (await import("./commands/keys-shred.ts")).receiptCommand,
    },
    "keys verify-receipt": {
      summary: "Check a receipt",
      load: async () => (await import("./commands/keys-shred.ts")).verifyReceiptCommand,
    },
    "keys public-key": {
      summary: "Print the public key that receipts are checked with",
      load: async () => (await import("./commands/keys-shred.ts")).publicKeyCommand,
    },
    "keys rotate-company": {
      summary: "Give a company a new key, and re-encrypt its values",
      load: async () => (await import("./commands/keys-company.ts")).rotateCompanyCommand,
    },
    "keys emergency-rotate": {
      summary: "Replace every key, and list the credentials to replace elsewhere",
      load: async () => (await import("./commands/keys-emergency-rotate.ts")).emergencyRotateCommand,
    },
    health: {
      summary: "Show what works now",
      load: async () => (await import("./commands/health.ts")).healthCommand,
    },
    "runs list": {
      summary: "List rotations and other long work",
      load: async () => (await import("./commands/runs.ts")).listCommand,
    },
    "runs show": {
      summary: "Show how far a run is",
      load: async () => (await import("./commands/runs.ts")).showCommand,
    },
    "runs pause": {
      summary: "Stop a run between two steps",
      load: async () => (await import("./commands/runs.ts")).pauseCommand,
    },
    "runs resume": {
      summary: "Resume a run that was paused or has failed",
      load: async () => (await import("./commands/runs.ts")).resumeCommand,
    },
    "runs cancel": {
      summary: "End a run for good",
      load: async () => (await import("./commands/runs.ts")).cancelCommand,
    },
    "rotation show": {
      summary: "Show how a company's secrets are rotated, and when",
      load: async () => (await import("./commands/rotation.ts")).showCommand,
    },
    "rotation set": {
      summary: "Say how a secret is rotated, and when",
      load: async () => (await import("./commands/rotation.ts")).setCommand,
    },
    "rotation remove": {
      summary: "Rotate a secret no more",
      load: async () => (await import("./commands/rotation.ts")).removeCommand,
    },
    "rotation pause": {
      summary: "Let a secret's schedule wait",
      load: async () => (await import("./commands/rotation.ts")).pauseCommand,
    },
    "rotation resume": {
      summary: "Rotate by schedule again, after a pause or failures",
      load: async () => (await import("./commands/rotation.ts")).resumeCommand,
    },
    "rotation now": {
      summary: "Rotate a secret now",
      load: async () => (await import("./commands/rotation-runs.ts")).nowCommand,
    },
    "rotation runs": {
      summary: "List a company's rotations, the newest first",
      load: async () => (await import("./commands/rotation-runs.ts")).runsCommand,
    },
    "rotation run": {
      summary: "Show how far a rotation is, and what a person has to do",
      load: async () => (await import("./commands/rotation-runs.ts")).runCommand,
    },
    "rotation supply": {
      summary: "Enter the value that a person made for a rotation",
      load: async () => (await import("./commands/rotation-people.ts")).supplyCommand,
    },
    "rotation confirm": {
      summary: "Say that the old credential was ended at the provider",
      load: async () => (await import("./commands/rotation-people.ts")).confirmCommand,
    },
    "rotation end-orphan": {
      summary: "Say that a credential left at the provider was ended",
      load: async () => (await import("./commands/rotation-people.ts")).endOrphanCommand,
    },
    "rotation abort": {
      summary: "End a rotation before its value is current",
      load: async () => (await import("./commands/rotation-people.ts")).abortCommand,
    },
    "rotation fall-back": {
      summary: "Make the value before a rotation current again",
      load: async () => (await import("./commands/rotation-people.ts")).fallBackCommand,
    },
    "webhooks list": {
      summary: "List webhook endpoints, with what waits for each",
      load: async () => (await import("./commands/webhooks.ts")).listCommand,
    },
    "webhooks types": {
      summary: "List what an endpoint can be notified of",
      load: async () => (await import("./commands/webhooks.ts")).typesCommand,
    },
    "webhooks add": {
      summary: "Add a webhook endpoint, and show its secret once",
      load: async () => (await import("./commands/webhooks.ts")).addCommand,
    },
    "webhooks update": {
      summary: "Change a webhook endpoint",
      load: async () => (await import("./commands/webhooks.ts")).updateCommand,
    },
    "webhooks roll": {
      summary: "Give an endpoint its next secret, and show it once",
      load: async () => (await import("./commands/webhooks.ts")).rollCommand,
    },
    "webhooks pause": {
      summary: "Let the notifications of an endpoint wait",
      load: async () => (await import("./commands/webhooks.ts")).pauseCommand,
    },
    "webhooks resume": {
      summary: "Send to an endpoint again",
      load: async () => (await import("./commands/webhooks.ts")).resumeCommand,
    },
    "webhooks remove": {
      summary: "Remove a webhook endpoint",
      load: async () => (await import("./commands/webhooks.ts")).removeCommand,
    },
    "webhooks test": {
      summary: "Send a test to an endpoint, and show how that went",
      load: async () => (await import("./commands/webhook-deliveries.ts")).testCommand,
    },
    "webhooks log": {
      summary: "Show what was sent to endpoints, and what waits",
      load: async () => (await import("./commands/webhook-deliveries.ts")).logCommand,
    },
    "webhooks replay": {
      summary: "Send notifications again",
      load: async () => (await import("./commands/webhook-deliveries.ts")).replayCommand,
    },
    "webhooks listen": {
      summary: "Receive notifications on this machine, verify and print them",
      load: async () => (await import("./commands/webhook-listen.ts")).listenCommand,
    },
    "audit list": {
      summary: "Show the audit log, the newest events first",
      load: async () => (await import("./commands/audit.ts")).listCommand,
    },
    "audit summary": {
      summary: "Count what was done in a company, by hour or day",
      load: async () => (await import("./commands/audit-summary.ts")).summaryCommand,
    },
    "audit proof": {
      summary: "Show how far the audit log is sealed and verified",
      load: async () => (await import("./commands/audit-summary.ts")).proofCommand,
    },
    "audit verify": {
      summary: "Check that nothing in the audit log was changed, removed or inserted",
      load: async () => (await import("./commands/audit-verify.ts")).verifyCommand,
    },
    "audit acknowledge-failover": {
      summary: "Acknowledge what the audit log lost in a failover",
      load: async () => (await import("./commands/audit-failover.ts")).acknowledgeCommand,
    },
    "audit export": {
      summary: "Write a company's events to a file, each with its proof",
      load: async () => (await import("./commands/audit-export.ts")).exportCommand,
    },
    "audit verify-export": {
      summary: "Check such a file",
      load: async () => (await import("./commands/audit-export.ts")).verifyExportCommand,
    },
    "audit public-key": {
      summary: "Print the public keys that the audit log is checked with",
      load: async () => (await import("./commands/audit.ts")).publicKeyCommand,
    },
    "operators create": {
      summary: "Make an operator, and show the token once",
      load: async () => (await import("./commands/operators.ts")).createCommand,
    },
    "operators link": {
      summary: "Let a person act as an operator in the browser",
      load: async () => (await import("./commands/operators.ts")).linkCommand,
    },
    "operators unlink": {
      summary: "End a person's link at once",
      load: async () => (await import("./commands/operators.ts")).unlinkCommand,
    },
    "operators list": {
      summary: "List the operators",
      load: async () => (await import("./commands/operators.ts")).listCommand,
    },
    "operators revoke": {
      summary: "End an operator's token or link at once",
      load: async () => (await import("./commands/operators.ts")).revokeCommand,
    },
    "companies move": {
      summary: "Make another region the home of a company",
      load: async () => (await import("./commands/moves.ts")).moveCommand,
    },
    "companies take-over": {
      summary: "Make this region the home of a company whose home is lost",
      load: async () => (await import("./commands/moves.ts")).takeOverCommand,
    },
    "companies leave": {
      summary: "Delete what is left of a company in the region that was its home",
      load: async () => (await import("./commands/moves.ts")).leaveCommand,
    },
    "regions identity": {
      summary: "Print what another region has to know of this one",
      load: async () => (await import("./commands/regions.ts")).identityCommand,
    },
    "regions list": {
      summary: "List the other regions that are known here",
      load: async () => (await import("./commands/regions.ts")).listCommand,
    },
    "regions status": {
      summary: "Show how copies fare between this region and others",
      load: async () => (await import("./commands/regions.ts")).statusCommand,
    },
    "regions receipts": {
      summary: "List the companies that are gone from this region, with signed receipts",
      load: async () => (await import("./commands/regions.ts")).receiptsCommand,
    },
    "regions add": {
      summary: "Make another region known here",
      load: async () => (await import("./commands/regions.ts")).addCommand,
    },
    "regions remove": {
      summary: "Forget another region",
      load: async () => (await import("./commands/regions.ts")).removeCommand,
    },
    "regions verify": {
      summary: "Check what this region has of companies, and sign it",
      load: async () => (await import("./commands/region-verify.ts")).verifyRegionCommand,
    },
    "regions verify-report": {
      summary: "Check a region's signed report without a database",
      load: async () => (await import("./commands/region-verify.ts")).verifyRegionReportCommand,
    },
    "regions publish": {
      summary: "Let an export read the copies for another region",
      load: async () => (await import("./commands/region-servers.ts")).publishCommand,
    },
    "regions connect": {
      summary: "Set up the server that another region takes its copies from",
      load: async () => (await import("./commands/region-servers.ts")).connectCommand,
    },
    "regions subscribe": {
      summary: "Take the copies that another region has for this one",
      load: async () => (await import("./commands/region-servers.ts")).subscribeCommand,
    },
    "regions resync": {
      summary: "Take all copies from another region once more",
      load: async () => (await import("./commands/region-servers.ts")).resyncCommand,
    },
    "regions resync-export": {
      summary: "Take all copies to the export once more",
      load: async () => (await import("./commands/region-servers.ts")).resyncExportCommand,
    },
    "regions unsubscribe": {
      summary: "Take no more copies from another region, and delete them",
      load: async () => (await import("./commands/region-servers.ts")).unsubscribeCommand,
    },
    "regions disconnect": {
      summary: "End what another region takes its copies from",
      load: async () => (await import("./commands/region-servers.ts")).disconnectCommand,
    },
    "approvals list": {
      summary: "Show what operators have asked each other to approve",
      load: async () => (await import("./commands/approvals.ts")).listCommand,
    },
    "approvals give": {
      summary: "Approve a request of another operator",
      load: async () => (await import("./commands/approvals.ts")).giveCommand,
    },
    "approvals refuse": {
      summary: "Refuse a request, or withdraw your own",
      load: async () => (await import("./commands/approvals.ts")).refuseCommand,
    },
    "database provision": {
      summary: "Make the database and its five roles on a PostgreSQL server",
      load: async () => (await import("./commands/database.ts")).provisionCommand,
    },
    "database migrate": {
      summary: "Bring the tables to the version of this release",
      load: async () => (await import("./commands/database.ts")).migrateCommand,
    },
    "database status": {
      summary: "Show the versions of this release and of the tables",
      load: async () => (await import("./commands/database.ts")).statusCommand,
    },
  }),
);
