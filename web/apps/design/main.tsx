import './design.css';
import { mount } from '../ui/index.js';
import Gallery from './page.js';

mount(<Gallery />);
