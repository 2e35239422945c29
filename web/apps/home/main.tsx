import './home.css';
import { mount } from '../ui/index.js';
import Home from './page.js';

mount(<Home />);
