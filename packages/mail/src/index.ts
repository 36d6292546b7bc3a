export { isAddress, type Mail, MailError, type MailFailure, oneLine, type SendMail } from "./mail.ts";
export { createSmtpMail, type SmtpOptions } from "./smtp-mail.ts";
