import { auditActions, type AuditAction } from "@repo/tenant-secrets/audit-actions";

/** What was done, or tried. An action without words does not compile. */
const actionWords: Readonly<Record<AuditAction, string>> = {
  "secret.read": "Read a value",
  "secret.list": "List the secrets",
  "secret.write": "Write a value",
  "secret.remove": "Remove a secret",
  "secret.restore": "Restore a secret",
  "secret.import": "Import secrets",
  "secret.backfill": "Move a secret into the database",
  "secret.compare": "Compare a value",
  "secret.mirror": "Write a secret to Infisical as well",
  "secret.reveal": "Reveal a value",
  "secret.search": "Search for a value",
  "secret.stage": "Stage a value",
  "secret.promote": "Make a staged value current",
  "secret.discard": "Discard a staged value",
  "secret.rollback": "Roll a secret back",
  "secret.purge": "Destroy a removed secret",
  "secret.history": "Read the history of a secret",
  "secret.set-expiry": "Set the expiry of a secret",
  "secret.check": "Check a credential with its provider",
  "secret.export": "Export a value",
  "secret.expires-soon": "Remind of an expiry",
  "secret.expired": "Note that a secret has expired",
  "secret.destroy-versions": "Destroy old versions",
  "company.create": "Create the company",
  "company.list": "List the companies",
  "company.get": "Look at the company",
  "company.rename": "Rename the company",
  "company.set-recovery": "Change the recovery window",
  "company.require-second-factor": "Require a second factor of all",
  "company.waive-second-factor": "No longer require a second factor of all",
  "company.set-store": "Change where the secrets are stored",
  "company.mirror": "Mirror secrets in Infisical, or stop",
  "company.drift": "Find a change by others in Infisical",
  "company.stamp": "Ask whether lists have moved",
  "company.suspend": "Suspend the company",
  "company.resume": "Resume the company",
  "system.health": "Look at the state of the system",
  "api-key.create": "Create an API key",
  "api-key.list": "List the API keys",
  "api-key.rotate": "Rotate an API key",
  "api-key.revoke": "Revoke an API key",
  "member.list": "List the people",
  "member.add": "Add a person",
  "member.change": "Change a role",
  "member.remove": "Remove a person",
  "member.end-sessions": "End the sessions of a person",
  "invitation.list": "List the invitations",
  "invitation.create": "Invite a person",
  "invitation.accept": "Accept an invitation",
  "invitation.revoke": "Revoke an invitation",
  "user.list": "List the people of the platform",
  "user.disable": "Disable a person",
  "user.enable": "Enable a person",
  "user.end-sessions": "End all sessions of a person",
  "account.get": "Look at one's account",
  "account.rename": "Change one's name",
  "sign-in": "Sign in with a password",
  "sign-in.second-factor": "Sign in with a second factor",
  "sign-in.confirm": "Confirm one's identity",
  "session.list": "List one's sessions",
  "session.touch": "Stay signed in",
  "session.end": "End a session",
  "password.change": "Change one's password",
  "password.reset": "Reset a password",
  "factor.require": "Ask for a second factor",
  "factor.list": "List one's second factors",
  "factor.begin": "Begin to add a second factor",
  "factor.add": "Add a second factor",
  "factor.rename": "Rename a passkey",
  "factor.remove": "Remove a second factor",
  "factor.renew-backup-codes": "Renew the backup codes",
  "factor.reset": "Reset a person's second factor",
  "audit.list": "Read the audit log",
  "audit.summary": "Summarize the audit log",
  "audit.proof": "Look at the proof",
  "audit.request-verification": "Ask for a verification of the audit log",
  "audit.verify": "Verify the audit log",
  "audit.export": "Export the audit log",
  "audit.unused-sequence-numbers": "Report unused sequence numbers",
  "audit.prune": "Delete events past their retention",
  "operator.create": "Create an operator",
  "operator.list": "List the operators",
  "operator.link": "Link an operator to a person",
  "operator.unlink": "Unlink an operator from a person",
  "operator.act": "Act as an operator",
  "operator.revoke": "Revoke an operator",
  "approval.list": "List the approvals",
  "approval.request": "Ask for an approval",
  "approval.give": "Approve a request",
  "approval.refuse": "Refuse a request",
  "approval.use": "Do what was approved",
  "approval.waive": "Go on without an approval",
  "credential.check": "Present a credential",
  "row.check": "Check a stored right",
  "call.limit": "Call too often",
  "key.backup": "Back up the keys",
  "key.list-backups": "List the backups of the keys",
  "key.restore": "Restore the keys",
  "key.check-backup": "Check a backup of the keys",
  "key.create": "Create a master key",
  "key.rotate": "Rotate the master key",
  "key.activate": "Activate a master key",
  "key.retire": "Retire a master key",
  "key.destroy": "Destroy a master key",
  "key.rotate-company": "Make a new company key",
  "key.destroy-company": "Destroy a company key",
  "key.rotate-audit": "Rotate the key of the audit log",
  "key.rotate-rows": "Rotate the key of stored rights",
  "key.rotate-sign-in": "Rotate the secret of the sign-in",
  "key.emergency-rotate": "Rotate all keys in an emergency",
  "key.status": "Look at the state of the keys",
  "key.report": "Read the report of a rotation",
  "key.verify-report": "Verify the report of a rotation",
  "key.shred": "Shred the company's keys",
  "key.shred-folder": "Shred the company's folder in Infisical",
  "key.shred-receipt": "Make the receipt of a shredding",
  "key.public-key": "Read the public keys",
  "migration.plan": "Plan a migration",
  "migration.copy": "Copy secrets into the database",
  "migration.verify": "Compare Infisical and the database",
  "migration.switch": "Change where secrets live",
  "migration.rollback": "Roll back where secrets live",
  "migration.cleanup": "Remove a copy that was left behind",
  "migration.list": "See the companies of a migration",
  "migration.status": "See where companies' secrets live",
  "migration.report": "Get the report of a migration",
  "run.list": "List the runs",
  "run.get": "Look at a run",
  "run.pause": "Pause a run",
  "run.resume": "Resume a run",
  "run.cancel": "Cancel a run",
};

export const actions = Object.keys(auditActions).filter(isAction);

function isAction(text: string): text is AuditAction {
  return Object.hasOwn(actionWords, text);
}

/** @returns the action itself for one that this page does not know, such as one of a later version */
export function wordsOfAction(action: string): string {
  return isAction(action) ? actionWords[action] : action;
}

/** What the bars count. Of an action only successes count, and denials are those of any action. */
export const counts = ["reads", "reveals", "changes", "denials"] as const;
export type Count = (typeof counts)[number];
/** A group of actions to filter by. */
export type Group = Exclude<Count, "denials">;

export const countWords: Readonly<Record<Count, string>> = {
  reads: "reads",
  reveals: "reveals",
  changes: "changes",
  denials: "refused",
};

export const groupWords: Readonly<Record<Group, string>> = {
  reads: "Any read by a program",
  reveals: "Any reveal or export",
  changes: "Any change",
};

export function isGroup(text: string): text is Group {
  return Object.hasOwn(groupWords, text);
}

export function actionsOf(group: Group): readonly AuditAction[] {
  return actions.filter((action) => auditActions[action] === group);
}
