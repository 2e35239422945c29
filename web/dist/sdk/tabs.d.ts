export * from './types/tabs/link.js';
